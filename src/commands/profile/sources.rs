//! What `profile` is to work through: images and recordings, with their labels.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{Arguments, no_input};
use crate::capture::Source;
use crate::commands::replay::unused_name;
use crate::commands::{Context, Failure};
use crate::learn::folders::{self, FolderClasses};
use crate::learn::labels::{self, LabelledImage, Labels, Segment};
use crate::learn::picture_set::{Item, PictureSet, Video};
use crate::learn::videos::Recording;
use crate::models::{self, Manifest};

/// The file that labels a directory if nothing else is said.
const LABELS: &str = "labels.csv";

/// Finds everything that the arguments name.
pub(super) fn find(
    arguments: &Arguments,
    manifests: &[Manifest],
    context: &Context,
) -> Result<PictureSet, Failure> {
    let Some(manifest) = manifests.first() else { return Err(no_input("no model".to_owned())) };
    let classes = &manifest.output.labels;
    let given = Given::read(&arguments.labels, classes.count())?;
    let images = match &arguments.images {
        Some(directory) => images(directory, given.images, classes, arguments)?,
        None => Vec::new(),
    };
    let recordings = recordings(&arguments.videos, context)?;
    let videos = videos(recordings, given.segments, arguments)?;
    Ok(PictureSet {
        name: name(arguments, &videos),
        directory: arguments.images.clone().unwrap_or_default(),
        images,
        videos,
        every: arguments.every,
        shard: arguments.shard,
    })
}

/// The labels files that were named, one of a kind.
#[derive(Default)]
struct Given {
    images: Option<Vec<LabelledImage>>,
    segments: Option<Vec<Segment>>,
}

impl Given {
    fn read(files: &[PathBuf], classes: usize) -> Result<Self, Failure> {
        let mut given = Self::default();
        for file in files {
            let is_first = match labels::read(file, classes)? {
                Labels::Images(images) => given.images.replace(images).is_none(),
                Labels::Segments(segments) => given.segments.replace(segments).is_none(),
            };
            if !is_first {
                let file = file.display();
                let fault = format!("--labels {file} is the second of its kind; join the files");
                return Err(Failure::usage(fault));
            }
        }
        Ok(given)
    }
}

fn images(
    directory: &Path,
    given: Option<Vec<LabelledImage>>,
    classes: &models::Labels,
    arguments: &Arguments,
) -> Result<Vec<Item>, Failure> {
    if !directory.is_dir() {
        return Err(no_input(format!("there is no directory of images {}", directory.display())));
    }
    if arguments.teacher.is_some() {
        let files = folders::images_below(directory)?;
        return Ok(files.into_iter().map(|file| Item { file, class: None }).collect());
    }
    let labelled = match given {
        Some(images) => images,
        None => unnamed_labels(directory, classes, arguments)?,
    };
    let item = |LabelledImage { file, class }| Item { file, class: Some(class) };
    let mut items: Vec<Item> = labelled.into_iter().map(item).collect();
    items.sort_unstable_by(|left, right| left.file.cmp(&right.file));
    Ok(items)
}

/// The labels of images that no file was named for: `labels.csv`, or the folders.
fn unnamed_labels(
    directory: &Path,
    classes: &models::Labels,
    arguments: &Arguments,
) -> Result<Vec<LabelledImage>, Failure> {
    let own = directory.join(LABELS);
    if arguments.synsets.is_none() && own.exists() {
        return match labels::read(&own, classes.count())? {
            Labels::Images(images) => Ok(images),
            Labels::Segments(_) => Err(Failure::usage(format!(
                "{} labels videos, not the images beside it: name it with --labels",
                own.display()
            ))),
        };
    }
    let files = folders::images_below(directory)?;
    let folder_classes = match &arguments.synsets {
        Some(list) => FolderClasses::listed(list, classes.count())?,
        None => FolderClasses::of(classes),
    };
    let (images, loose) = folder_classes.label(directory, files)?;
    if loose > 0 {
        log::warn!("{loose} images of {} are in no folder and left out", directory.display());
    }
    Ok(images)
}

fn recordings(uris: &[String], context: &Context) -> Result<Vec<Recording>, Failure> {
    let pipelines = context.places.pipelines();
    let mut names = BTreeSet::new();
    let recording = |uri: &String| {
        let source = Source::parse(uri, pipelines.as_deref())?;
        if source.is_live() {
            let fault = "is live; record it first, so that each frame can be found again";
            return Err(Failure::usage(format!("{source} {fault}")));
        }
        Ok(Recording { name: unused_name(&source, &mut names), source })
    };
    uris.iter().map(recording).collect()
}

fn videos(
    recordings: Vec<Recording>,
    segments: Option<Vec<Segment>>,
    arguments: &Arguments,
) -> Result<Vec<Video>, Failure> {
    if arguments.teacher.is_some() {
        let video = |recording| Video { recording, segments: None };
        return Ok(recordings.into_iter().map(video).collect());
    }
    let Some(segments) = segments else {
        return match recordings.first() {
            None => Ok(Vec::new()),
            Some(first) => Err(no_input(format!(
                "nothing says what the frames of {} show: give --labels with a CSV of \
                 video,from_frame,to_frame,class, or let a model stand in with --teacher NAME or \
                 --teacher ensemble",
                first.name
            ))),
        };
    };
    let is_named = |segment: &&Segment| recordings.iter().any(|r| r.name == segment.video);
    if let Some(stranger) = segments.iter().find(|segment| !is_named(segment)) {
        log::warn!("the labels name the video {}, which --videos does not", stranger.video);
    }
    let video = |recording: Recording| {
        let own = segments.iter().filter(|segment| segment.video == recording.name);
        Video { segments: Some(own.cloned().collect()), recording }
    };
    Ok(recordings.into_iter().map(video).collect())
}

/// The name of the directory, and of the videos.
fn name(arguments: &Arguments, videos: &[Video]) -> String {
    let directory = arguments.images.as_deref().map(|directory| {
        let full = directory.canonicalize().unwrap_or_else(|_| directory.to_owned());
        full.file_name().unwrap_or(full.as_os_str()).to_string_lossy().into_owned()
    });
    let videos = videos.iter().map(|video| video.recording.name.clone());
    directory.into_iter().chain(videos).collect::<Vec<_>>().join(", ")
}
