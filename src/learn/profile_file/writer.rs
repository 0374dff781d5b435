//! Writes profiles, all or nothing.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, FloatType, Int32Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};

use super::table::{self, Field, Kind};
use super::{ImageRecord, Profile, ProfileError, ProfileFault, check, document};
use crate::whole_file;

/// Rows of a row group: what a reader holds in memory at least.
const ROW_GROUP: usize = 1 << 16;

impl Profile {
    /// Writes the profile to `path`. A file that is there stays as it is until the new one is
    /// complete.
    pub fn save(&self, path: &Path) -> Result<(), ProfileError> {
        let unwritten = |source| ProfileError::Write { path: path.to_owned(), source };
        let document = self.checked().map_err(|fault| ProfileError::Unusable {
            path: path.to_owned(),
            source: Box::new(fault),
        })?;
        let write = |file| self.write_parquet(file, document).map_err(io_error);
        whole_file::write(path, write).map_err(unwritten)
    }

    /// The document of the profile, if everything is as it should be.
    fn checked(&self) -> Result<String, ProfileFault> {
        let document = document::write(&self.header, self.images.len())?;
        check::check_images(&self.header.shape(), &self.images)?;
        Ok(document)
    }

    fn write_parquet(&self, file: File, document: String) -> Result<File, ParquetError> {
        let shape = self.header.shape();
        let metadata = KeyValue::new(document::FORMAT.to_owned(), document);
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_created_by(format!("classifyd version {}", env!("CARGO_PKG_VERSION")))
            .set_key_value_metadata(Some(vec![metadata]))
            .build();
        let schema = Arc::new(table::schema(&shape)?);
        let mut writer = SerializedFileWriter::new(file, schema, Arc::new(properties))?;
        for images in self.images.chunks(ROW_GROUP) {
            let mut group = writer.next_row_group()?;
            for field in table::fields(&shape) {
                let column = group.next_column()?.ok_or(ParquetError::IndexOutOfBound(0, 0))?;
                write_column(column, field, images)?;
            }
            group.close()?;
        }
        writer.into_inner()
    }
}

fn write_column(
    mut column: SerializedColumnWriter<'_>,
    field: Field,
    images: &[ImageRecord],
) -> Result<(), ParquetError> {
    match field.kind() {
        Kind::Text => {
            let texts: Vec<ByteArray> =
                images.iter().map(|image| image.file.as_str().into()).collect();
            column.typed::<ByteArrayType>().write_batch(&texts, None, None)?;
        }
        Kind::OptionalText => {
            let groups = || images.iter().map(|image| image.group.as_deref());
            let texts: Vec<ByteArray> = groups().flatten().map(ByteArray::from).collect();
            let levels: Vec<i16> = groups().map(|group| i16::from(group.is_some())).collect();
            column.typed::<ByteArrayType>().write_batch(&texts, Some(&levels), None)?;
        }
        Kind::Integer => {
            let integer = |image| i32::try_from(field.integer(image));
            let integers = images.iter().map(integer).collect::<Result<Vec<_>, _>>()?;
            column.typed::<Int32Type>().write_batch(&integers, None, None)?;
        }
        Kind::Real => {
            let reals: Vec<f32> = images.iter().map(|image| field.real(image)).collect();
            column.typed::<FloatType>().write_batch(&reals, None, None)?;
        }
        Kind::OptionalReal => {
            let changes = || images.iter().map(|image| image.change);
            let reals: Vec<f32> = changes().flatten().collect();
            let levels: Vec<i16> = changes().map(|change| i16::from(change.is_some())).collect();
            column.typed::<FloatType>().write_batch(&reals, Some(&levels), None)?;
        }
    }
    column.close()
}

/// The system's own error where there is one.
fn io_error(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(cause) => match cause.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(other) => io::Error::other(other),
        },
        other => io::Error::other(other),
    }
}
