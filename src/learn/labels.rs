//! Labels files, in CSV. The first line says of which kind one is:
//!
//! - `filename,class`: one line per picture;
//! - `video,from_frame,to_frame,class`: one line per segment of a video. Frames count from 0, both
//!   named frames belong to the segment, and segments of a video do not overlap.
//!
//! `class` is the 0-based index of the true class, in the order of the models' label file.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use csv::{ReaderBuilder, StringRecord, Trim};
use thiserror::Error;

const IMAGES: [&str; 2] = ["filename", "class"];
const SEGMENTS: [&str; 4] = ["video", "from_frame", "to_frame", "class"];

/// What a labels file holds, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Labels {
    /// The classes of pictures.
    Images(Vec<LabelledImage>),
    /// The classes of segments of videos.
    Segments(Vec<Segment>),
}

/// A picture and what it shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelledImage {
    /// The name of its file, relative to the directory of the pictures.
    pub file: String,
    /// The true class, 0-based.
    pub class: usize,
}

/// A piece of a video and what it shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The name of the video.
    pub video: String,
    /// Its first frame, from 0.
    pub from: u64,
    /// Its last frame, which belongs to it.
    pub to: u64,
    /// The true class, 0-based.
    pub class: usize,
}

/// Why labels cannot be used.
#[derive(Debug, Error)]
pub enum LabelsError {
    /// The file cannot be read, or is no text.
    #[error("cannot read the labels {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// It is no CSV.
    #[error("the labels {} are not CSV", path.display())]
    Csv {
        /// The file.
        path: PathBuf,
        /// Where and what.
        source: Box<csv::Error>,
    },
    /// The first line is something else.
    #[error(
        "the labels {} start with `{found}`; the first line must be `filename,class`, or for \
         videos `video,from_frame,to_frame,class`",
        path.display()
    )]
    Header {
        /// The file.
        path: PathBuf,
        /// The first line.
        found: String,
    },
    /// A line makes no sense.
    #[error("the labels {}, line {line}: {fault}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        fault: LabelFault,
    },
    /// There is a header and nothing else.
    #[error("the labels {} name no picture", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

/// What is wrong with a line of labels.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum LabelFault {
    /// Too few or too many fields.
    #[error("it has {0} fields; its fields are those of the first line")]
    Fields(usize),
    /// No file name.
    #[error("the name of the file is empty")]
    NoFile,
    /// The class or the frame is no number.
    #[error("the {what} `{text}` is no whole number from 0 on")]
    NotANumber {
        /// `class` or `frame`.
        what: &'static str,
        /// What it is.
        text: String,
    },
    /// The class is beyond the last.
    #[error("class {class} is beyond the last of {classes} from 0 on")]
    OutOfRange {
        /// The class.
        class: usize,
        /// How many there are.
        classes: usize,
    },
    /// A segment without frames.
    #[error("the segment ends with frame {to}, before it begins with frame {from}")]
    Backwards {
        /// Its first frame.
        from: u64,
        /// Its last frame.
        to: u64,
    },
    /// The picture was named before, or the segment has frames of an earlier one.
    #[error("{file} was labelled on line {first} already")]
    Duplicate {
        /// The picture, or the video and frame.
        file: String,
        /// The line that named it first.
        first: usize,
    },
}

/// Reads a labels file whose classes are numbered from 0 to below `classes`.
pub fn read(path: &Path, classes: usize) -> Result<Labels, LabelsError> {
    let unread = |source| LabelsError::Read { path: path.to_owned(), source };
    parse(&fs::read_to_string(path).map_err(unread)?, path, classes)
}

fn parse(text: &str, path: &Path, classes: usize) -> Result<Labels, LabelsError> {
    let unparsed = |source| LabelsError::Csv { path: path.to_owned(), source: Box::new(source) };
    let mut reader =
        ReaderBuilder::new().trim(Trim::All).flexible(true).from_reader(text.as_bytes());
    let header = reader.headers().map_err(unparsed)?.clone();
    let file = LabelsText { text, path };
    let labels = if header == IMAGES[..] {
        let rows = file.rows(&mut reader, |record| image(record, classes))?;
        file.check_images(&rows)?;
        Labels::Images(rows.into_iter().map(|(_, image)| image).collect())
    } else if header == SEGMENTS[..] {
        let rows = file.rows(&mut reader, |record| segment(record, classes))?;
        file.check_segments(&rows)?;
        Labels::Segments(rows.into_iter().map(|(_, segment)| segment).collect())
    } else {
        let found = header.iter().collect::<Vec<_>>().join(",");
        return Err(LabelsError::Header { path: path.to_owned(), found });
    };
    Ok(labels)
}

/// A labels file, for its errors to point into.
struct LabelsText<'a> {
    text: &'a str,
    path: &'a Path,
}

/// Where a record begins, in bytes, and what it says.
type Row<T> = (usize, T);

impl LabelsText<'_> {
    /// Every record, at least one.
    fn rows<T>(
        &self,
        reader: &mut csv::Reader<&[u8]>,
        read: impl Fn(&StringRecord) -> Result<T, LabelFault>,
    ) -> Result<Vec<Row<T>>, LabelsError> {
        let path = || self.path.to_owned();
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record
                .map_err(|source| LabelsError::Csv { path: path(), source: Box::new(source) })?;
            let start = self.start(&record);
            rows.push((start, read(&record).map_err(|fault| self.fault(start, fault))?));
        }
        if rows.is_empty() { Err(LabelsError::Empty { path: path() }) } else { Ok(rows) }
    }

    fn check_images(&self, rows: &[Row<LabelledImage>]) -> Result<(), LabelsError> {
        let mut seen = HashMap::new();
        for (start, image) in rows {
            if let Some(first) = seen.insert(&image.file, *start) {
                let (file, first) = (image.file.clone(), self.line(first));
                return Err(self.fault(*start, LabelFault::Duplicate { file, first }));
            }
        }
        Ok(())
    }

    /// Segments of a video must not overlap.
    fn check_segments(&self, rows: &[Row<Segment>]) -> Result<(), LabelsError> {
        let mut videos: BTreeMap<&str, Vec<&Row<Segment>>> = BTreeMap::new();
        for row in rows {
            videos.entry(&row.1.video).or_default().push(row);
        }
        for segments in videos.values_mut() {
            segments.sort_by_key(|(_, segment)| segment.from);
            let twin = segments.windows(2).find(|pair| pair[1].1.from <= pair[0].1.to);
            if let Some([left, right]) = twin {
                let (first, second) = (left.0.min(right.0), left.0.max(right.0));
                let file = format!("frame {} of {}", right.1.from, right.1.video);
                let first = self.line(first);
                return Err(self.fault(second, LabelFault::Duplicate { file, first }));
            }
        }
        Ok(())
    }

    fn fault(&self, start: usize, fault: LabelFault) -> LabelsError {
        LabelsError::Line { path: self.path.to_owned(), line: self.line(start), fault }
    }

    /// The byte at which a record begins: the reader counts line ends before it as part of it, and
    /// for that reason its line numbers are not used.
    fn start(&self, record: &StringRecord) -> usize {
        let position = record.position().map_or(0, csv::Position::byte) as usize;
        let rest = self.text.bytes().skip(position);
        position + rest.take_while(|byte| b"\r\n".contains(byte)).count()
    }

    fn line(&self, byte: usize) -> usize {
        1 + self.text.bytes().take(byte).filter(|byte| *byte == b'\n').count()
    }
}

fn image(record: &StringRecord, classes: usize) -> Result<LabelledImage, LabelFault> {
    let [file, class] = fields(record)?;
    Ok(LabelledImage { file: named(file)?, class: class_of(class, classes)? })
}

fn segment(record: &StringRecord, classes: usize) -> Result<Segment, LabelFault> {
    let [video, from, to, class] = fields(record)?;
    let frame = |text: &str| {
        text.parse().map_err(|_| LabelFault::NotANumber { what: "frame", text: text.to_owned() })
    };
    let (video, from, to) = (named(video)?, frame(from)?, frame(to)?);
    if to < from {
        return Err(LabelFault::Backwards { from, to });
    }
    Ok(Segment { video, from, to, class: class_of(class, classes)? })
}

fn fields<const COUNT: usize>(record: &StringRecord) -> Result<[&str; COUNT], LabelFault> {
    let fields: Vec<&str> = record.iter().collect();
    fields.try_into().map_err(|fields: Vec<&str>| LabelFault::Fields(fields.len()))
}

fn named(name: &str) -> Result<String, LabelFault> {
    if name.is_empty() { Err(LabelFault::NoFile) } else { Ok(name.to_owned()) }
}

fn class_of(text: &str, classes: usize) -> Result<usize, LabelFault> {
    let not_a_number = |_| LabelFault::NotANumber { what: "class", text: text.to_owned() };
    let class = text.parse().map_err(not_a_number)?;
    if class < classes { Ok(class) } else { Err(LabelFault::OutOfRange { class, classes }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Labels, LabelsError> {
        parse(text, Path::new("labels.csv"), 1000)
    }

    fn line_fault(text: &str) -> (usize, LabelFault) {
        match parsed(text).unwrap_err() {
            LabelsError::Line { line, fault, .. } => (line, fault),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn pictures_come_in_the_order_of_the_file() {
        let images = parsed("filename,class\r\n b.jpg , 7\n\"a,1.jpg\",999\n").unwrap();
        let image = |file: &str, class| LabelledImage { file: file.to_owned(), class };
        assert_eq!(images, Labels::Images(vec![image("b.jpg", 7), image("a,1.jpg", 999)]));
    }

    #[test]
    fn faults_name_their_line() {
        let not = |what, text: &str| LabelFault::NotANumber { what, text: text.to_owned() };
        let number = not("class", "dog");
        assert_eq!(line_fault("filename,class\na.jpg,1\nb.jpg,dog\n"), (3, number));
        let negative = not("class", "-1");
        assert_eq!(line_fault("filename,class\na.jpg,-1\n"), (2, negative));
        let beyond = LabelFault::OutOfRange { class: 1000, classes: 1000 };
        assert_eq!(line_fault("filename,class\na.jpg,1000\n"), (2, beyond));
        let twice = LabelFault::Duplicate { file: "a.jpg".to_owned(), first: 2 };
        assert_eq!(line_fault("filename,class\na.jpg,1\n\na.jpg,2\n"), (4, twice));
        assert_eq!(line_fault("filename,class\n,1\n"), (2, LabelFault::NoFile));
        assert_eq!(line_fault("filename,class\na,1\nb,1,2\n"), (3, LabelFault::Fields(3)));
    }

    #[test]
    fn segments_label_pieces_of_videos() {
        let header = "video,from_frame,to_frame,class\n";
        let fault = |lines: &str| line_fault(&format!("{header}{lines}"));
        let segment = |from, to, class| Segment { video: "a.mp4".to_owned(), from, to, class };
        let read = parsed(&format!("{header}a.mp4,10,19,3\na.mp4,0,9,4\n")).unwrap();
        assert_eq!(read, Labels::Segments(vec![segment(10, 19, 3), segment(0, 9, 4)]));
        assert_eq!(fault("a.mp4,9,8,1\n"), (2, LabelFault::Backwards { from: 9, to: 8 }));
        let file = "frame 9 of a.mp4".to_owned();
        let twice = LabelFault::Duplicate { file, first: 2 };
        assert_eq!(fault("a.mp4,9,20,1\nb.mp4,0,99,1\na.mp4,0,9,1\n"), (4, twice));
        let frame = LabelFault::NotANumber { what: "frame", text: "1.5".to_owned() };
        assert_eq!(fault("a.mp4,0,1.5,1\n"), (2, frame));
        assert_eq!(fault("a.mp4,0,1\n"), (2, LabelFault::Fields(3)));
    }

    #[test]
    fn lines_are_counted_by_line_feeds_however_they_end() {
        let faults = ["\n", "\r\n", "\n\n", "\r\n\r\n"]
            .map(|end| line_fault(&["filename,class", "\"a\nb\",1", "c,1", "d,dog"].join(end)).0);
        assert_eq!(faults, [5, 5, 8, 8]);
    }

    #[test]
    fn other_files_are_refused() {
        assert!(matches!(parsed("file,label\na,1\n"), Err(LabelsError::Header { .. })));
        assert!(matches!(parsed("a.jpg,1\n"), Err(LabelsError::Header { .. })));
        assert!(matches!(parsed(""), Err(LabelsError::Header { .. })));
        assert!(matches!(parsed("filename,class\n"), Err(LabelsError::Empty { .. })));
        let binary = tempfile::NamedTempFile::new().unwrap();
        fs::write(binary.path(), b"filename,class\n\xff,1\n").unwrap();
        assert!(matches!(read(binary.path(), 10), Err(LabelsError::Read { .. })));
        let absent = read(Path::new("/nonexistent/labels.csv"), 10).unwrap_err();
        assert!(absent.to_string().contains("/nonexistent/labels.csv"));
    }
}
