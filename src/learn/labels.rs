//! Labels files: CSV, the header `filename,class`, then one line per picture. `class` is the 0-based
//! index of the true class, in the order of the models' label file.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use csv::{ReaderBuilder, StringRecord, Trim};
use thiserror::Error;

const HEADER: [&str; 2] = ["filename", "class"];

/// A picture and what it shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelledImage {
    /// The name of its file, relative to the directory of the pictures.
    pub file: String,
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
        "the labels {} start with `{found}`; the first line must be `filename,class`",
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
    #[error("it has {0} fields, not the two filename,class")]
    Fields(usize),
    /// No file name.
    #[error("the filename is empty")]
    NoFile,
    /// The class is no number.
    #[error("the class `{0}` is no whole number from 0 on")]
    NotANumber(String),
    /// The class is beyond the last.
    #[error("class {class} is beyond the last of {classes} from 0 on")]
    OutOfRange {
        /// The class.
        class: usize,
        /// How many there are.
        classes: usize,
    },
    /// The picture was named before.
    #[error("{file} was labelled on line {first} already")]
    Duplicate {
        /// The picture.
        file: String,
        /// The line that named it first.
        first: usize,
    },
}

/// Reads a labels file whose classes are numbered from 0 to below `classes`.
pub fn read(path: &Path, classes: usize) -> Result<Vec<LabelledImage>, LabelsError> {
    let unread = |source| LabelsError::Read { path: path.to_owned(), source };
    parse(&fs::read_to_string(path).map_err(unread)?, path, classes)
}

fn parse(text: &str, path: &Path, classes: usize) -> Result<Vec<LabelledImage>, LabelsError> {
    let unparsed = |source| LabelsError::Csv { path: path.to_owned(), source: Box::new(source) };
    let mut reader =
        ReaderBuilder::new().trim(Trim::All).flexible(true).from_reader(text.as_bytes());
    let header = reader.headers().map_err(unparsed)?;
    if header != HEADER.as_slice() {
        let found = header.iter().collect::<Vec<_>>().join(",");
        return Err(LabelsError::Header { path: path.to_owned(), found });
    }
    let mut images = Vec::new();
    let mut seen = HashMap::new();
    for record in reader.records() {
        let record = record.map_err(unparsed)?;
        let start = start(text, &record);
        let located = |fault| {
            let line = line_at(text, start);
            LabelsError::Line { path: path.to_owned(), line, fault }
        };
        let image = label(&record, classes).map_err(located)?;
        if let Some(first) = seen.insert(image.file.clone(), start) {
            let first = line_at(text, first);
            return Err(located(LabelFault::Duplicate { file: image.file, first }));
        }
        images.push(image);
    }
    if images.is_empty() {
        return Err(LabelsError::Empty { path: path.to_owned() });
    }
    Ok(images)
}

/// The byte at which a record begins: the reader counts line ends before it as part of it, and for
/// that reason its line numbers are not used.
fn start(text: &str, record: &StringRecord) -> usize {
    let position = record.position().map_or(0, csv::Position::byte) as usize;
    let line_ends = text.bytes().skip(position).take_while(|byte| b"\r\n".contains(byte));
    position + line_ends.count()
}

fn line_at(text: &str, byte: usize) -> usize {
    1 + text.bytes().take(byte).filter(|byte| *byte == b'\n').count()
}

fn label(record: &StringRecord, classes: usize) -> Result<LabelledImage, LabelFault> {
    let fields: Vec<&str> = record.iter().collect();
    let &[file, class] = &fields[..] else { return Err(LabelFault::Fields(fields.len())) };
    if file.is_empty() {
        return Err(LabelFault::NoFile);
    }
    let number = class.parse().map_err(|_| LabelFault::NotANumber(class.to_owned()))?;
    if number >= classes {
        return Err(LabelFault::OutOfRange { class: number, classes });
    }
    Ok(LabelledImage { file: file.to_owned(), class: number })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Vec<LabelledImage>, LabelsError> {
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
        assert_eq!(images, [image("b.jpg", 7), image("a,1.jpg", 999)]);
    }

    #[test]
    fn faults_name_their_line() {
        let number = LabelFault::NotANumber("dog".to_owned());
        assert_eq!(line_fault("filename,class\na.jpg,1\nb.jpg,dog\n"), (3, number));
        let negative = LabelFault::NotANumber("-1".to_owned());
        assert_eq!(line_fault("filename,class\na.jpg,-1\n"), (2, negative));
        let beyond = LabelFault::OutOfRange { class: 1000, classes: 1000 };
        assert_eq!(line_fault("filename,class\na.jpg,1000\n"), (2, beyond));
        let twice = LabelFault::Duplicate { file: "a.jpg".to_owned(), first: 2 };
        assert_eq!(line_fault("filename,class\na.jpg,1\n\na.jpg,2\n"), (4, twice));
        assert_eq!(line_fault("filename,class\n,1\n"), (2, LabelFault::NoFile));
        assert_eq!(line_fault("filename,class\na,1\nb,1,2\n"), (3, LabelFault::Fields(3)));
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
