//! Reads profiles, which may be anything.

use std::any::Any;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;

use parquet::column::reader::{ColumnReader, ColumnReaderImpl, get_typed_column_reader};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, FloatType, Int32Type};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, RowGroupReader};
use parquet::file::serialized_reader::SerializedFileReader;

use super::table::{self, Kind};
use super::{
    Header, ImageRecord, ModelResult, Profile, ProfileError, ProfileFault, RecordFault, Shape,
    check, document,
};
use crate::features::Features;

/// What a Parquet file begins and ends with.
const MAGIC: &[u8; 4] = b"PAR1";

/// Rows that are read at a time: what a file claims to hold is not believed in advance.
const BATCH: usize = 4096;

impl Profile {
    /// Reads a profile file and checks all of it.
    pub fn load(path: &Path) -> Result<Self, ProfileError> {
        let unread = |source| ProfileError::Open { path: path.to_owned(), source };
        let unusable = |fault: ProfileFault| ProfileError::Unusable {
            path: path.to_owned(),
            source: Box::new(fault),
        };
        let mut file = File::open(path).map_err(unread)?;
        is_parquet(&mut file).map_err(unread)?.map_err(unusable)?;
        // The Parquet reader may find a fault of its own in a file that was damaged.
        let read = panic::catch_unwind(AssertUnwindSafe(|| read(file)));
        let read = read.unwrap_or_else(|cause| Err(ProfileFault::Damaged(words(cause.as_ref()))));
        read.map_err(unusable)
    }
}

fn words(cause: &(dyn Any + Send)) -> String {
    let text = cause.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| cause.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "the reader broke off".to_owned())
}

/// Whether the file begins and ends as Parquet files do.
fn is_parquet(file: &mut File) -> io::Result<Result<(), ProfileFault>> {
    let mut start = Vec::new();
    file.by_ref().take(MAGIC.len() as u64).read_to_end(&mut start)?;
    let fault = match start.as_slice() {
        [] => ProfileFault::Empty,
        [b'{', ..] => ProfileFault::JsonLines,
        start if start != MAGIC => ProfileFault::NotParquet,
        _ => {
            let mut end = Vec::new();
            file.seek(SeekFrom::End(-(MAGIC.len() as i64)))?;
            file.read_to_end(&mut end)?;
            return Ok(if end == MAGIC { Ok(()) } else { Err(ProfileFault::CutShort) });
        }
    };
    Ok(Err(fault))
}

fn read(file: File) -> Result<Profile, ProfileFault> {
    let reader = SerializedFileReader::new(file)?;
    let metadata = reader.metadata().file_metadata();
    let mut pairs = metadata.key_value_metadata().into_iter().flatten();
    let document = pairs.find(|pair| pair.key == document::FORMAT);
    let document = document.and_then(|pair| pair.value.as_deref()).ok_or(ProfileFault::Foreign)?;
    let (header, stated) = document::read(document)?;
    let shape = header.shape();
    check_columns(&reader, &shape)?;
    let mut images = Vec::new();
    for number in 0..reader.num_row_groups() {
        read_group(reader.get_row_group(number)?.as_ref(), &header, &mut images)?;
    }
    if images.len() != stated {
        return Err(ProfileFault::Rows { stated, found: images.len() });
    }
    check::check_images(&shape, &images)?;
    Ok(Profile { header, images })
}

fn check_columns(reader: &SerializedFileReader<File>, shape: &Shape) -> Result<(), ProfileFault> {
    let columns = reader.metadata().file_metadata().schema_descr().columns();
    let fields = table::fields(shape);
    for position in 0..fields.len().max(columns.len()) {
        let none = || "missing".to_owned();
        let expected = fields.get(position).map(|field| table::expected(*field, shape));
        let found = columns.get(position).map(|column| table::found(column));
        if expected != found {
            let (expected, found) = (expected.unwrap_or_else(none), found.unwrap_or_else(none));
            return Err(ProfileFault::Column { number: position + 1, expected, found });
        }
    }
    Ok(())
}

/// The values of a column in a row group.
enum Column {
    Text(Vec<ByteArray>),
    OptionalText(Vec<Option<ByteArray>>),
    Integer(Vec<i32>),
    Real(Vec<f32>),
    OptionalReal(Vec<Option<f32>>),
}

fn read_group(
    group: &dyn RowGroupReader,
    header: &Header,
    images: &mut Vec<ImageRecord>,
) -> Result<(), ProfileFault> {
    let rows = usize::try_from(group.metadata().num_rows())
        .map_err(|_| ProfileFault::Damaged("a negative number of rows".to_owned()))?;
    let shape = header.shape();
    let fields = table::fields(&shape).into_iter().enumerate();
    let columns = fields
        .map(|(position, field)| {
            read_column(group.get_column_reader(position)?, field.kind(), rows)
        })
        .collect::<Result<Vec<_>, _>>()?;
    for row in 0..rows {
        let image = Cells { columns: columns.iter(), row }.image(&shape);
        let (row, file) = (images.len() + 1, file_of(&columns, row));
        images.push(image.map_err(|source| ProfileFault::Record { row, file, source })?);
    }
    Ok(())
}

fn read_column(reader: ColumnReader, kind: Kind, rows: usize) -> Result<Column, ProfileFault> {
    match kind {
        Kind::Text => Ok(Column::Text(values::<ByteArrayType>(reader, rows)?.0)),
        Kind::Integer => Ok(Column::Integer(values::<Int32Type>(reader, rows)?.0)),
        Kind::Real => Ok(Column::Real(values::<FloatType>(reader, rows)?.0)),
        Kind::OptionalText => Ok(Column::OptionalText(optional::<ByteArrayType>(reader, rows)?)),
        Kind::OptionalReal => Ok(Column::OptionalReal(optional::<FloatType>(reader, rows)?)),
    }
}

/// The values of a column of which rows may have none. Exactly `rows`.
fn optional<T: DataType>(
    reader: ColumnReader,
    rows: usize,
) -> Result<Vec<Option<T::T>>, ProfileFault> {
    let (values, levels) = values::<T>(reader, rows)?;
    let mut values = values.into_iter();
    let cell = |level: &i16| if *level == 1 { values.next() } else { None };
    Ok(levels.iter().map(cell).collect())
}

/// The values of a column and, if they are optional, a 1 for each row that has one and a 0 for
/// each other. Exactly `rows`.
fn values<T: DataType>(
    reader: ColumnReader,
    rows: usize,
) -> Result<(Vec<T::T>, Vec<i16>), ProfileFault> {
    let mut reader: ColumnReaderImpl<T> = get_typed_column_reader(reader);
    let (mut values, mut levels) = (Vec::new(), Vec::new());
    let mut read = 0;
    while read < rows {
        let batch = BATCH.min(rows - read);
        let (records, _, _) = reader.read_records(batch, Some(&mut levels), None, &mut values)?;
        if records == 0 {
            let fault = format!("a column ends after {read} of {rows} rows");
            return Err(ProfileFault::Damaged(fault));
        }
        read += records;
    }
    Ok((values, levels))
}

/// The cells of a row, from the first column to the last.
struct Cells<'a> {
    columns: std::slice::Iter<'a, Column>,
    row: usize,
}

impl Cells<'_> {
    fn image(mut self, shape: &Shape) -> Result<ImageRecord, RecordFault> {
        let file = self.text()?;
        let group = self.optional_text()?;
        let change = self.optional_real()?;
        let class = self.integer()?;
        let mut values = [0.0; Features::COUNT];
        for value in &mut values {
            *value = self.real()?;
        }
        let features = Features::new(values).ok_or_else(|| not_finite(&values))?;
        let result = |_| self.result(shape.guesses());
        let results = shape.models.iter().map(result).collect::<Result<Vec<_>, _>>()?;
        Ok(ImageRecord { file, group, change, class, features, results })
    }

    fn result(&mut self, guesses: usize) -> Result<ModelResult, RecordFault> {
        let classes = (0..guesses).map(|_| self.integer()).collect::<Result<Vec<_>, _>>()?;
        let chances = (0..guesses).map(|_| self.real()).collect::<Result<Vec<_>, _>>()?;
        let best = classes.into_iter().zip(chances).collect();
        let (rank, entropy, margin) = (self.integer()?, self.real()?, self.real()?);
        Ok(ModelResult { best, rank, entropy, margin })
    }

    fn text(&mut self) -> Result<String, RecordFault> {
        match self.columns.next() {
            Some(Column::Text(texts)) => utf8(texts.get(self.row)),
            _ => Err(no_cell()),
        }
    }

    fn optional_text(&mut self) -> Result<Option<String>, RecordFault> {
        match self.columns.next() {
            Some(Column::OptionalText(texts)) => match texts.get(self.row) {
                Some(None) => Ok(None),
                Some(Some(text)) => utf8(Some(text)).map(Some),
                None => Err(no_cell()),
            },
            _ => Err(no_cell()),
        }
    }

    fn integer(&mut self) -> Result<usize, RecordFault> {
        let Some(Column::Integer(integers)) = self.columns.next() else { return Err(no_cell()) };
        let integer = *integers.get(self.row).ok_or_else(no_cell)?;
        usize::try_from(integer).map_err(|_| RecordFault::Number {
            what: "a class or a rank".to_owned(),
            value: integer.to_string(),
            expected: "below 0".to_owned(),
        })
    }

    fn real(&mut self) -> Result<f32, RecordFault> {
        let Some(Column::Real(reals)) = self.columns.next() else { return Err(no_cell()) };
        reals.get(self.row).copied().ok_or_else(no_cell)
    }

    fn optional_real(&mut self) -> Result<Option<f32>, RecordFault> {
        let Some(Column::OptionalReal(reals)) = self.columns.next() else { return Err(no_cell()) };
        reals.get(self.row).copied().ok_or_else(no_cell)
    }
}

fn utf8(bytes: Option<&ByteArray>) -> Result<String, RecordFault> {
    let bytes = bytes.ok_or_else(no_cell)?;
    let text = bytes.as_utf8().map(str::to_owned);
    text.map_err(|_| RecordFault::Results("a name is no UTF-8".to_owned()))
}

fn no_cell() -> RecordFault {
    RecordFault::Results("a column is too short".to_owned())
}

fn not_finite(values: &[f32]) -> RecordFault {
    let position = values.iter().position(|value| !value.is_finite()).unwrap_or_default();
    RecordFault::Number {
        what: format!("the feature {}", Features::NAMES[position]),
        value: values[position].to_string(),
        expected: "not finite".to_owned(),
    }
}

/// The name of a picture that has a fault, for people.
fn file_of(columns: &[Column], row: usize) -> String {
    match columns.first() {
        Some(Column::Text(texts)) => utf8(texts.get(row)).unwrap_or_default(),
        _ => String::new(),
    }
}

impl From<ParquetError> for ProfileFault {
    fn from(error: ParquetError) -> Self {
        Self::Damaged(error.to_string())
    }
}
