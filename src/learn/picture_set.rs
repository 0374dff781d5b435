//! What is profiled: images of a directory and frames of recordings, and what is known of them.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use super::labels::Segment;
use super::profile_file::Shard;
use super::videos::Recording;
use crate::models::Sha256Hex;

/// Pictures to profile.
#[derive(Clone, Debug)]
pub struct PictureSet {
    /// What it is called.
    pub name: String,
    /// Where the image files are.
    pub directory: PathBuf,
    /// The images, sorted; the whole set, of which the shard takes a part.
    pub images: Vec<Item>,
    /// The recordings.
    pub videos: Vec<Video>,
    /// Of their frames, one in this many.
    pub every: NonZeroUsize,
    /// Which part of it all.
    pub shard: Shard,
}

/// An image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its file, relative to the directory.
    pub file: String,
    /// Its true class; `None` if a teacher is to say.
    pub class: Option<usize>,
}

/// A recording, and what its frames show.
#[derive(Clone, Debug)]
pub struct Video {
    /// The recording.
    pub recording: Recording,
    /// The segments that are labelled; `None` if a teacher is to say.
    pub segments: Option<Vec<Segment>>,
}

/// What is to be done with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It is profiled; its true class, or `None` if a teacher is to say.
    Taken(Option<usize>),
    /// It is in no segment that is labelled.
    Unlabelled,
    /// It is not its turn, or another shard's.
    Passed,
}

impl PictureSet {
    /// The images of the shard.
    pub fn own_images(&self) -> impl Iterator<Item = &Item> {
        let numbered = self.images.iter().enumerate();
        numbered.filter(|(position, _)| self.shard.holds(*position)).map(|(_, item)| item)
    }

    /// What is to be done with frame `number` of a video, one of this set's.
    pub fn turn(&self, video: &Video, number: u64) -> Turn {
        let every = self.every.get() as u64;
        let position = usize::try_from(number / every).unwrap_or(usize::MAX);
        if !number.is_multiple_of(every) || !self.shard.holds(position) {
            return Turn::Passed;
        }
        match &video.segments {
            None => Turn::Taken(None),
            Some(segments) => {
                let found = segments.iter().find(|segment| segment.holds(number));
                found.map_or(Turn::Unlabelled, |segment| Turn::Taken(Some(segment.class)))
            }
        }
    }

    /// The digest of all names and labels: two sets that differ in what is measured differ in it.
    pub fn digest(&self) -> Sha256Hex {
        let mut text = String::new();
        for Item { file, class } in &self.images {
            text += &format!("{file:?} {class:?}\n");
        }
        for Video { recording, segments } in &self.videos {
            text += &format!("{:?} {} {segments:?}\n", recording.name, recording.source);
        }
        Sha256Hex::of(text.as_bytes())
    }
}

impl Segment {
    fn holds(&self, frame: u64) -> bool {
        (self.from..=self.to).contains(&frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::Source;

    fn video(segments: Option<&[(u64, u64, usize)]>) -> Video {
        let source = Source::parse("test://red", None).unwrap();
        let segment = |&(from, to, class)| Segment { video: "a".to_owned(), from, to, class };
        Video {
            recording: Recording { name: "a".to_owned(), source },
            segments: segments.map(|all| all.iter().map(segment).collect()),
        }
    }

    fn set(every: usize, shard: &str) -> PictureSet {
        let item = |number: usize| Item { file: number.to_string(), class: Some(number) };
        PictureSet {
            name: "set".to_owned(),
            directory: PathBuf::new(),
            images: (0..5).map(item).collect(),
            videos: vec![video(None)],
            every: NonZeroUsize::new(every).unwrap(),
            shard: shard.parse().unwrap(),
        }
    }

    #[test]
    fn shards_share_images_and_frames_out() {
        let own = |shard| -> Vec<_> {
            set(1, shard).own_images().map(|item| item.file.clone()).collect()
        };
        assert_eq!(own("1/2"), ["0", "2", "4"]);
        assert_eq!(own("2/2"), ["1", "3"]);
        let taken = |shard| -> Vec<u64> {
            let set = set(10, shard);
            let is_taken = |&n: &u64| set.turn(&set.videos[0], n) == Turn::Taken(None);
            (0..60).filter(is_taken).collect()
        };
        assert_eq!(taken("1/1"), [0, 10, 20, 30, 40, 50]);
        assert_eq!(taken("2/2"), [10, 30, 50]);
    }

    #[test]
    fn frames_have_the_class_of_their_segment() {
        let (set, video) = (set(10, "1/1"), video(Some(&[(0, 10, 7), (25, 30, 8)])));
        let turn = |number| set.turn(&video, number);
        assert_eq!([turn(0), turn(10), turn(30)], [7, 7, 8].map(|class| Turn::Taken(Some(class))));
        assert_eq!((turn(20), turn(25)), (Turn::Unlabelled, Turn::Passed));
    }

    #[test]
    fn the_digest_tells_names_and_labels_apart() {
        let digest = |edit: fn(&mut PictureSet)| {
            let mut set = set(1, "1/1");
            edit(&mut set);
            set.digest()
        };
        let edits: [fn(&mut PictureSet); 4] = [
            |_| (),
            |set| set.images[0].class = None,
            |set| set.images[1].file.push('x'),
            |set| set.videos[0] = video(Some(&[(0, 1, 2)])),
        ];
        let digests: std::collections::HashSet<_> =
            edits.map(|edit| digest(edit).to_string()).into();
        assert_eq!(digests.len(), 4);
        assert_eq!(digest(|_| ()), digest(|_| ()));
    }
}
