//! The plots of the report. No plot tells things apart by colour alone: there is a shape, a pattern of
//! lines, a label or an order besides.

pub mod accuracy;
pub mod bars;
pub mod calibration;
pub mod deployed;
pub mod heat;
mod marks;
pub mod shares;

use plotters::prelude::*;

use crate::learn::evaluate::figures::Kind;
use crate::report::labels;
use crate::report::plot::{
    Canvas, DrawError, Drawn, GRID, INK, Key, MUTED, Plot, SMALL, TEXT, font, legend, model_colour,
    name, readable_on, span, width, write,
};

/// How an entry of the kind is marked.
fn colour(kind: Kind) -> RGBColor {
    match kind {
        Kind::Single => RGBColor(0x44, 0x77, 0xaa),
        Kind::RandomMix => RGBColor(0x8c, 0x95, 0x9f),
        Kind::PaperSequence => RGBColor(0xd5, 0x5e, 0x00),
        Kind::LearnerMix => RGBColor(0xdd, 0xaa, 0x33),
        Kind::Reference => RGBColor(0xaa, 0x44, 0x99),
        Kind::Given => RGBColor(0x6b, 0x5b, 0x4b),
        Kind::Adaptive => RGBColor(0x1a, 0x93, 0x6f),
        Kind::Ablation => RGBColor(0x66, 0xb8, 0xdc),
        Kind::Oracle => RGBColor(0xc8, 0x32, 0x4b),
    }
}
