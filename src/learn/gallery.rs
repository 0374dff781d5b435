//! A few pictures of a set, kept to measure latencies on.
//!
//! How many pictures come is not known in advance. So every picture is kept at first; whenever the
//! gallery is full, every second one goes, and from then on half as many are taken. What is kept is
//! spread evenly over all that came.

use crate::frame::Picture;

/// The most pictures that are kept.
const MOST_PICTURES: usize = 16;

/// The most bytes that they may have together, unless one alone has more.
const MOST_BYTES: usize = 128 << 20;

/// Pictures, spread evenly over those offered.
#[derive(Debug)]
pub struct Gallery {
    pictures: Vec<Picture>,
    offered: usize,
    stride: usize,
    most_bytes: usize,
}

impl Default for Gallery {
    fn default() -> Self {
        Self { pictures: Vec::new(), offered: 0, stride: 1, most_bytes: MOST_BYTES }
    }
}

impl Gallery {
    /// Whether the next picture would be kept.
    pub fn wants_next(&self) -> bool {
        self.offered.is_multiple_of(self.stride)
    }

    /// Counts a picture that need not be shown because it is not wanted.
    pub fn pass(&mut self) {
        self.offered += 1;
    }

    /// Keeps a copy of the picture if its turn has come.
    pub fn offer(&mut self, picture: &Picture) {
        if self.wants_next()
            && let Some(copy) = copy(picture)
        {
            self.pictures.push(copy);
            self.thin_out();
        }
        self.pass();
    }

    /// What it holds.
    pub fn pictures(&self) -> &[Picture] {
        &self.pictures
    }

    fn thin_out(&mut self) {
        while self.pictures.len() > 1 && self.is_too_full() {
            let mut number = 0;
            self.pictures.retain(|_| {
                number += 1;
                number % 2 == 1
            });
            self.stride *= 2;
        }
    }

    fn is_too_full(&self) -> bool {
        let bytes: usize = self.pictures.iter().map(|picture| picture.bytes().len()).sum();
        self.pictures.len() > MOST_PICTURES || bytes > self.most_bytes
    }
}

/// The same picture in memory of its own: a decoder's buffers must go back to it.
fn copy(picture: &Picture) -> Option<Picture> {
    let size = (picture.width(), picture.height());
    let memory = Box::new(picture.bytes().to_vec());
    Picture::new(picture.format(), size, picture.stride(), memory).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::PixelFormat;

    /// A picture of one row, whose first pixel says its number.
    fn picture(number: usize, width: u32) -> Picture {
        let bytes = (number as u32).to_le_bytes().repeat(width as usize);
        let stride = bytes.len();
        Picture::new(PixelFormat::Rgbx, (width, 1), stride, Box::new(bytes)).unwrap()
    }

    fn numbers(gallery: &Gallery) -> Vec<u32> {
        let number =
            |picture: &Picture| u32::from_le_bytes(picture.row(0)[..4].try_into().unwrap());
        gallery.pictures().iter().map(number).collect()
    }

    #[test]
    fn few_pictures_are_all_kept_and_many_evenly() {
        let mut gallery = Gallery::default();
        (0..16).for_each(|number| gallery.offer(&picture(number, 1)));
        assert_eq!(numbers(&gallery), (0..16).collect::<Vec<_>>());
        (16..100).for_each(|number| gallery.offer(&picture(number, 1)));
        assert_eq!(numbers(&gallery), (0..100).step_by(8).collect::<Vec<_>>());
    }

    #[test]
    fn pictures_that_are_not_wanted_need_not_be_shown() {
        let mut gallery = Gallery::default();
        for number in 0..100 {
            if gallery.wants_next() { gallery.offer(&picture(number, 1)) } else { gallery.pass() }
        }
        assert_eq!(numbers(&gallery), (0..100).step_by(8).collect::<Vec<_>>());
    }

    #[test]
    fn large_pictures_are_fewer_but_one_at_least() {
        let mut gallery = Gallery { most_bytes: 100, ..Gallery::default() };
        (0..10).for_each(|number| gallery.offer(&picture(number, 8)));
        assert_eq!(numbers(&gallery), [0, 4, 8]);
        let mut gallery = Gallery { most_bytes: 100, ..Gallery::default() };
        gallery.offer(&picture(7, 1000));
        assert_eq!(numbers(&gallery), [7]);
    }
}
