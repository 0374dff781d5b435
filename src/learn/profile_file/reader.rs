//! Reads profiles, which may be anything.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use super::{LineFault, Profile, ProfileError, line_error, lines};

/// The longest line: some hundred times what 64 models need.
const LINE_LIMIT: usize = 1 << 20;

impl Profile {
    /// Reads a profile file.
    pub fn load(path: &Path) -> Result<Self, ProfileError> {
        let unopened = |source| ProfileError::Open { path: path.to_owned(), source };
        let input = BufReader::new(File::open(path).map_err(unopened)?);
        Self::read(input).map_err(|error| ProfileError::Unusable {
            path: path.to_owned(),
            source: Box::new(error),
        })
    }

    /// Reads the content of a profile file.
    pub fn read(input: impl BufRead) -> Result<Self, ProfileError> {
        let mut input = Lines { input, number: 0 };
        let first = input.next()?.ok_or(ProfileError::Empty)?;
        let header = lines::read_header(&first).map_err(|source| line_error(1, source))?;
        let mut images = Vec::new();
        let mut seen = HashMap::new();
        while let Some(line) = input.next()? {
            let located = |source| line_error(input.number, source);
            let image = lines::read_image(&header, &line).map_err(located)?;
            if let Some(first) = seen.insert(image.file.clone(), input.number) {
                return Err(located(LineFault::Duplicate { file: image.file, first }));
            }
            images.push(image);
        }
        Ok(Self { header, images })
    }
}

struct Lines<R> {
    input: R,
    number: usize,
}

impl<R: BufRead> Lines<R> {
    /// The next line; `None` after the last.
    fn next(&mut self) -> Result<Option<Vec<u8>>, ProfileError> {
        self.number += 1;
        let mut line = Vec::new();
        let mut limited = self.input.by_ref().take(LINE_LIMIT as u64);
        let read = limited.read_until(b'\n', &mut line);
        read.map_err(|source| ProfileError::Transfer { line: self.number, source })?;
        match line.last() {
            None => Ok(None),
            Some(b'\n') => Ok(Some(line)),
            Some(_) if line.len() == LINE_LIMIT => {
                Err(line_error(self.number, LineFault::TooLong(LINE_LIMIT)))
            }
            Some(_) => Err(line_error(self.number, LineFault::CutShort)),
        }
    }
}
