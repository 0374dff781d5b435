//! The columns of a profile, for writer and reader alike.

use parquet::basic::{LogicalType, Repetition, Type as PhysicalType};
use parquet::errors::ParquetError;
use parquet::schema::types::{ColumnDescriptor, Type};

use super::{ImageRecord, Shape};
use crate::features::Features;

/// What a column holds; models, features and guesses are given by their position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    File,
    Group,
    Change,
    Class,
    Feature(usize),
    Guess { model: usize, place: usize },
    Probability { model: usize, place: usize },
    Rank(usize),
    Entropy(usize),
    Margin(usize),
}

/// How a column holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    OptionalText,
    Integer,
    Real,
    OptionalReal,
}

/// The columns, in their order.
pub(super) fn fields(shape: &Shape) -> Vec<Field> {
    let mut fields = vec![Field::File, Field::Group, Field::Change, Field::Class];
    fields.extend((0..Features::COUNT).map(Field::Feature));
    for model in 0..shape.models.len() {
        fields.extend((0..shape.guesses()).map(|place| Field::Guess { model, place }));
        fields.extend((0..shape.guesses()).map(|place| Field::Probability { model, place }));
        fields.extend([Field::Rank(model), Field::Entropy(model), Field::Margin(model)]);
    }
    fields
}

impl Field {
    pub(super) fn kind(self) -> Kind {
        match self {
            Self::File => Kind::Text,
            Self::Group => Kind::OptionalText,
            Self::Change => Kind::OptionalReal,
            Self::Class | Self::Guess { .. } | Self::Rank(_) => Kind::Integer,
            Self::Feature(_) | Self::Probability { .. } | Self::Entropy(_) | Self::Margin(_) => {
                Kind::Real
            }
        }
    }

    pub(super) fn name(self, shape: &Shape) -> String {
        let of = |model: usize, what: &str| format!("{}.{what}", shape.models[model]);
        match self {
            Self::File => "file".to_owned(),
            Self::Group => "group".to_owned(),
            Self::Change => "change".to_owned(),
            Self::Class => "class".to_owned(),
            Self::Feature(feature) => Features::NAMES[feature].to_owned(),
            Self::Guess { model, place } => of(model, &format!("class{}", place + 1)),
            Self::Probability { model, place } => of(model, &format!("probability{}", place + 1)),
            Self::Rank(model) => of(model, "rank"),
            Self::Entropy(model) => of(model, "entropy"),
            Self::Margin(model) => of(model, "margin"),
        }
    }

    /// The value of a column of integers; 0 of any other.
    pub(super) fn integer(self, image: &ImageRecord) -> usize {
        match self {
            Self::Class => image.class,
            Self::Guess { model, place } => image.results[model].best[place].0,
            Self::Rank(model) => image.results[model].rank,
            _ => 0,
        }
    }

    /// The value of a column of real numbers; 0 of any other.
    pub(super) fn real(self, image: &ImageRecord) -> f32 {
        match self {
            Self::Feature(feature) => image.features.values()[feature],
            Self::Probability { model, place } => image.results[model].best[place].1,
            Self::Entropy(model) => image.results[model].entropy,
            Self::Margin(model) => image.results[model].margin,
            _ => 0.0,
        }
    }

    fn schema(self, shape: &Shape) -> Result<Type, ParquetError> {
        let (physical, repetition, logical) = self.kind().parts();
        let name = self.name(shape);
        let builder = Type::primitive_type_builder(&name, physical);
        builder.with_repetition(repetition).with_logical_type(logical).build()
    }
}

impl Kind {
    fn parts(self) -> (PhysicalType, Repetition, Option<LogicalType>) {
        match self {
            Self::Text => {
                (PhysicalType::BYTE_ARRAY, Repetition::REQUIRED, Some(LogicalType::String))
            }
            Self::OptionalText => {
                (PhysicalType::BYTE_ARRAY, Repetition::OPTIONAL, Some(LogicalType::String))
            }
            Self::Integer => (PhysicalType::INT32, Repetition::REQUIRED, None),
            Self::Real => (PhysicalType::FLOAT, Repetition::REQUIRED, None),
            Self::OptionalReal => (PhysicalType::FLOAT, Repetition::OPTIONAL, None),
        }
    }
}

/// The schema of a profile.
pub(super) fn schema(shape: &Shape) -> Result<Type, ParquetError> {
    let columns = fields(shape).into_iter().map(|field| field.schema(shape).map(Into::into));
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    Type::group_type_builder("profile").with_fields(columns).build()
}

/// Name and type, for people and for comparing.
pub(super) fn expected(field: Field, shape: &Shape) -> String {
    let (physical, repetition, _) = field.kind().parts();
    described(&field.name(shape), physical, repetition == Repetition::OPTIONAL)
}

/// The same of a column that is there. A column of lists or in a struct has another name.
pub(super) fn found(column: &ColumnDescriptor) -> String {
    let name = column.path().parts().join("/");
    let repeated = if column.max_rep_level() > 0 { "repeated " } else { "" };
    let described = described(&name, column.physical_type(), column.max_def_level() == 1);
    format!("{repeated}{described}")
}

fn described(name: &str, physical: PhysicalType, is_optional: bool) -> String {
    format!("`{name}` of {}{physical}", if is_optional { "optional " } else { "" })
}
