//! The plots of a simulation. No plot tells things apart by colour alone: there is a shape, a pattern
//! of lines, a number or an order besides.

pub mod grid;
pub mod heat;
pub mod outcomes;
pub mod plan;

use plotters::prelude::*;

use crate::report::marks::{self, Outlines};
use crate::report::plot::Key;
use crate::simulate::figures::Kind;

/// The best that runs one model only.
const BEST_FIXED: &str = "best with one model";

fn colour(kind: Kind) -> RGBColor {
    match kind {
        Kind::Omniscient => RGBColor(0xaa, 0x44, 0x99),
        Kind::Oracle => RGBColor(0xc8, 0x32, 0x4b),
        Kind::Adaptive => RGBColor(0x66, 0xb8, 0xdc),
        Kind::Ours => RGBColor(0x1a, 0x93, 0x6f),
        Kind::Fixed => RGBColor(0x44, 0x77, 0xaa),
        Kind::Edf => RGBColor(0xdd, 0xaa, 0x33),
        Kind::Fifo => RGBColor(0x8c, 0x95, 0x9f),
    }
}

fn outlines(kind: Kind) -> Outlines {
    match kind {
        Kind::Omniscient => vec![vec![(0, -7), (7, 5), (-7, 5)]],
        Kind::Oracle => vec![vec![(0, -6), (5, 0), (0, 6), (-5, 0)]],
        Kind::Adaptive => marks::ring(),
        Kind::Ours => vec![marks::round(4)],
        Kind::Fixed => vec![marks::rectangle(4, 4)],
        Kind::Edf => vec![vec![(0, 5), (4, -4), (-4, -4)]],
        Kind::Fifo => vec![marks::rectangle(2, 5), marks::rectangle(5, 2)],
    }
}

fn key(kind: Kind, name: &str) -> Key {
    Key { outlines: outlines(kind), colour: colour(kind), name: name.to_owned() }
}
