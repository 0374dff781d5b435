//! Edges: how long the lines are along which brightness steps, and how they run.
//!
//! Edges are those of Canny ("A computational approach to edge detection", 1986): gradients, thinned
//! to lines one pixel wide across their direction, kept if at least [`WEAK`] and connected to one
//! that is [`STRONG`]. Gradients are Sobel's over 5x5 pixels, whose binomial kernels smooth as they
//! derive, so there is no separate blur; where the kernel does not fit, at the two outermost rows
//! and columns, there are none. A gradient's strength is its length, within 7 % (no square root).
//!
//! An edge is a connected component of the lines, its length the count of its pixels. The angle of
//! an edge's pixel is that of its gradient, across the edge: 0 degrees where brightness changes from
//! left to right or back (an upright edge), 90 where it changes from top to bottom or back (a level
//! one); dark to bright and bright to dark are the same, so angles end at 180 degrees. They are cut
//! into [`BINS`] bins of 25.7 degrees; the first begins an eighth of a bin below 0, so that upright,
//! level and both diagonal edges, the most frequent, all lie off the bounds.

use std::f32::consts::PI;

use image::GrayImage;

use super::components::Components;
use super::neighbourhoods::{inner_rows, neighbourhoods};

/// Bins that lengths are counted in, and angles.
pub(super) const BINS: usize = 7;

/// By how much of a bin the bins of angles are turned back.
const TURN: f32 = 1.0 / 8.0;

/// The longest side of the picture over the length that the first bin ends at. Each bin reaches
/// twice as far as the one before, so with seven the last begins at the longest side itself.
const SHORTEST: usize = 1 << (BINS - 2);

/// What a sharp step of one grey level makes the gradient's strength.
const STEP: i16 = 48;

/// The strength of a step that continues an edge.
const WEAK: i16 = 10 * STEP;

/// The strength of a step that makes an edge.
const STRONG: i16 = 30 * STEP;

/// Pixels on each side of the centre that the gradient looks at.
const REACH: usize = 2;

/// Pixels that the kernel is wide and high.
const KERNEL: usize = 2 * REACH + 1;

/// Marks in the mask of thinned lines; 0 is no line.
const IS_WEAK: u8 = 1;
const IS_STRONG: u8 = 2;

/// Finds edges; keeps its memory from one picture to the next.
#[derive(Debug, Default)]
pub(super) struct EdgeFinder {
    across: Vec<i16>,
    down: Vec<i16>,
    strength: Vec<i16>,
    lines: Vec<u8>,
    components: Components,
    row: SmoothedRow,
    angles: AngleBins,
}

/// What the edges of a picture say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct EdgeShares {
    /// Shares of all edges whose length lies in each bin; all 0 if there are no edges.
    ///
    /// The first bin holds edges shorter than 1/32 of the longest side, the next those below 1/16,
    /// and so on; the last holds those as long as that side, or longer.
    pub(super) lengths: [f32; BINS],
    /// Shares of all pixels of edges whose angle lies in each bin; all 0 if there are no edges.
    pub(super) angles: [f32; BINS],
}

/// The bounds between the bins of angles, and behind the last: directions of length 1.
#[derive(Clone, Copy, Debug)]
struct AngleBins([(f32, f32); BINS]);

/// A row after the vertical half of the two separable kernels.
#[derive(Debug, Default)]
struct SmoothedRow {
    smooth: Vec<i16>,
    derived: Vec<i16>,
}

impl EdgeFinder {
    /// The shares of a picture in luma.
    pub(super) fn measure(&mut self, grey: &GrayImage) -> EdgeShares {
        let (width, height) = (grey.width() as usize, grey.height() as usize);
        self.derive(grey, width, height);
        self.thin(width, height);
        let lengths = shares(self.count_lengths(width, width.max(height)));
        EdgeShares { lengths, angles: shares(self.count_angles()) }
    }

    fn derive(&mut self, grey: &[u8], width: usize, height: usize) {
        for plane in [&mut self.across, &mut self.down, &mut self.strength] {
            plane.clear();
            plane.resize(width * height, 0);
        }
        for inside in inner_rows(width, height, REACH) {
            let top = inside.start - REACH * (width + 1);
            self.row.read(&grey[top..top + KERNEL * width], width);
            let across = &mut self.across[inside.clone()];
            let down = &mut self.down[inside.clone()];
            self.row.derive(across, down);
            for ((strength, across), down) in self.strength[inside].iter_mut().zip(across).zip(down)
            {
                *strength = length(*across, *down);
            }
        }
    }

    fn thin(&mut self, width: usize, height: usize) {
        self.lines.clear();
        self.lines.resize(width * height, 0);
        for inside in inner_rows(width, height, REACH) {
            let gradients = self.across[inside.clone()].iter().zip(&self.down[inside.clone()]);
            let around = neighbourhoods(&self.strength, inside.clone(), width);
            let lines = self.lines[inside].iter_mut().zip(gradients).zip(around);
            for ((line, (&across, &down)), around) in lines {
                *line = mark(across, down, around);
            }
        }
    }

    fn count_lengths(&mut self, width: usize, longest_side: usize) -> [u32; BINS] {
        let mut counts = [0_u32; BINS];
        let lines = self.components.find(&self.lines, width);
        for edge in lines.filter(|line| line.peak == IS_STRONG) {
            counts[bin(edge.area as usize, longest_side)] += 1;
        }
        counts
    }

    /// Counts the pixels of the edges that were found last.
    fn count_angles(&self) -> [u32; BINS] {
        let mut counts = [0_u32; BINS];
        let runs = self.components.runs().filter(|(_, line)| line.peak == IS_STRONG);
        for pixel in runs.flat_map(|(run, _)| run) {
            counts[self.angles.bin(self.across[pixel], self.down[pixel])] += 1;
        }
        counts
    }
}

/// The parts of the sum; all 0 if that is 0.
fn shares(counts: [u32; BINS]) -> [f32; BINS] {
    let all = counts.iter().sum::<u32>().max(1) as f32;
    counts.map(|count| count as f32 / all)
}

impl Default for AngleBins {
    fn default() -> Self {
        let bound = |bin: usize| ((bin + 1) as f32 - TURN) * PI / BINS as f32;
        Self(std::array::from_fn(|bin| (bound(bin).cos(), bound(bin).sin())))
    }
}

impl AngleBins {
    /// The bin of a gradient's angle.
    fn bin(&self, across: i16, down: i16) -> usize {
        let is_upward = down < 0 || (down == 0 && across < 0);
        let (across, down) = (f32::from(across), f32::from(down));
        let (x, y) = if is_upward { (-across, -down) } else { (across, down) };
        // The bounds that the gradient lies at or beyond; beyond the last is the first bin again.
        let reached = self.0.iter().filter(|(cosine, sine)| cosine * y >= sine * x).count();
        reached % BINS
    }
}

impl SmoothedRow {
    /// Reads five rows of `width` pixels, one below the other.
    fn read(&mut self, rows: &[u8], width: usize) {
        self.smooth.resize(width, 0);
        self.derived.resize(width, 0);
        let smoothed = self.smooth.iter_mut().zip(&mut self.derived);
        for ((smooth, derived), column) in smoothed.zip(columns(rows, width)) {
            *smooth = blur(column);
            *derived = slope(column);
        }
    }

    /// Writes the gradient's components for all but the outermost pixels.
    fn derive(&self, across: &mut [i16], down: &mut [i16]) {
        for (across, window) in across.iter_mut().zip(self.smooth.windows(KERNEL)) {
            *across = slope(five(window));
        }
        for (down, window) in down.iter_mut().zip(self.derived.windows(KERNEL)) {
            *down = blur(five(window));
        }
    }
}

/// The columns of five rows of `width` pixels that lie one below the other.
fn columns(rows: &[u8], width: usize) -> impl Iterator<Item = [i16; KERNEL]> {
    let [a, b, c, d, e]: [&[u8]; KERNEL] = std::array::from_fn(|y| &rows[y * width..][..width]);
    let rows = a.iter().zip(b).zip(c).zip(d).zip(e);
    rows.map(|((((&a, &b), &c), &d), &e)| [a, b, c, d, e].map(i16::from))
}

// By index, because the compiler sees through that and not through a conversion that could fail.
fn five(window: &[i16]) -> [i16; KERNEL] {
    [window[0], window[1], window[2], window[3], window[4]]
}

/// The binomial half of the kernel.
fn blur([a, b, c, d, e]: [i16; KERNEL]) -> i16 {
    a + 4 * b + 6 * c + 4 * d + e
}

/// The deriving half of the kernel.
fn slope([a, b, _, d, e]: [i16; KERNEL]) -> i16 {
    e - a + 2 * (d - b)
}

/// The length of a vector, within 7 %: the longer component and three eighths of the shorter.
fn length(across: i16, down: i16) -> i16 {
    let (wide, tall) = (across.abs(), down.abs());
    let shorter = wide.min(tall);
    wide.max(tall) + shorter / 4 + shorter / 8
}

/// The mark of a pixel with that gradient, its strength and its neighbours' given.
///
/// It is on a line if neither neighbour across the line is stronger; of equals the first wins. All
/// four directions are worked out, because that is faster than to branch.
fn mark(across: i16, down: i16, [above, level, below]: [[i16; 3]; 3]) -> u8 {
    let (wide, tall) = (across.abs(), down.abs());
    let diagonal =
        if (across < 0) == (down < 0) { (above[0], below[2]) } else { (above[2], below[0]) };
    let steep = if wide < tangent(tall) { (above[1], below[1]) } else { diagonal };
    let (before, after) = if tall < tangent(wide) { (level[0], level[2]) } else { steep };
    let is_crest = (before < level[1]) & (after <= level[1]);
    let mark = if level[1] >= STRONG { IS_STRONG } else { IS_WEAK };
    if is_crest & (level[1] >= WEAK) { mark } else { 0 }
}

/// The tangent of 22.5 degrees, 0.414, times a positive length.
fn tangent(length: i16) -> i16 {
    length / 4 + length / 8 + length / 32
}

/// The bin of a length, in pixels, on a picture of that size.
fn bin(length: usize, longest_side: usize) -> usize {
    let reached = length * SHORTEST / longest_side.max(1);
    (usize::BITS - reached.leading_zeros()).min(BINS as u32 - 1) as usize
}

#[cfg(test)]
mod tests {
    use image::Luma;
    use imageproc::drawing::draw_filled_rect_mut;
    use imageproc::rect::Rect;

    use super::*;

    fn lengths(picture: &GrayImage) -> Vec<u32> {
        let mut finder = EdgeFinder::default();
        finder.measure(picture);
        let lines = finder.components.find(&finder.lines, picture.width() as usize);
        lines.filter(|line| line.peak == IS_STRONG).map(|line| line.area).collect()
    }

    fn picture_with(width: u32, height: u32, level: u8) -> GrayImage {
        let mut picture = GrayImage::from_pixel(128, 96, Luma([50]));
        let at = Rect::at(20, 20).of_size(width, height);
        draw_filled_rect_mut(&mut picture, at, Luma([level]));
        picture
    }

    #[test]
    fn a_step_makes_one_line_one_pixel_wide() {
        let halves = GrayImage::from_fn(64, 40, |x, _| Luma([if x < 30 { 20 } else { 220 }]));
        assert_eq!(lengths(&halves), [36], "the outermost two rows have no gradient");
        let halves = GrayImage::from_fn(64, 40, |_, y| Luma([if y < 11 { 220 } else { 20 }]));
        assert_eq!(lengths(&halves), [60]);
    }

    #[test]
    fn the_outline_of_a_rectangle_is_one_edge_about_as_long_as_its_perimeter() {
        let found = lengths(&picture_with(50, 30, 200));
        let [length] = found[..] else { panic!("{found:?}") };
        assert!((150..=164).contains(&length), "{length}");
    }

    #[test]
    fn faint_steps_are_no_edges() {
        let step = |height: u8| {
            lengths(&GrayImage::from_fn(64, 40, |x, _| {
                Luma([if x < 30 { 50 } else { 50 + height }])
            }))
        };
        assert_eq!((step(29), step(30)), (vec![], vec![36]));
    }

    #[test]
    fn strength_is_the_length_of_the_gradient() {
        for (across, down) in [(3000, 4000), (-4000, 3000), (5000, 0), (0, -5000), (3536, -3536)] {
            let strength = length(across, down);
            assert!((4650..=5350).contains(&strength), "{across} {down}: {strength}");
        }
    }

    #[test]
    fn a_weak_line_counts_where_it_continues_a_strong_one() {
        let fading = |from: u32| {
            let level = |x: u32, y: u32| if y < 48 { 50 } else { 50 + from - x * 40 / 128 };
            lengths(&GrayImage::from_fn(128, 96, |x, y| Luma([level(x, y) as u8])))
        };
        assert_eq!((fading(60), fading(29)), (vec![124], vec![]));
    }

    #[test]
    fn bins_double_from_a_thirty_second_of_the_longest_side() {
        let cases = [(1, 0), (9, 0), (10, 1), (19, 1), (20, 2), (79, 3), (80, 4), (160, 5)];
        for (length, expected) in cases {
            assert_eq!(bin(length, 320), expected, "{length}");
        }
        assert_eq!((bin(319, 320), bin(320, 320), bin(9999, 320)), (5, 6, 6));
        assert_eq!((bin(1, 1), bin(1, 20)), (6, 1));
    }

    #[test]
    fn shares_are_of_all_edges() {
        let mut picture = picture_with(60, 40, 200);
        for x in [4, 90, 100, 110] {
            draw_filled_rect_mut(&mut picture, Rect::at(x, 80).of_size(1, 1), Luma([255]));
        }
        let shares = EdgeFinder::default().measure(&picture).lengths;
        assert_eq!(shares.iter().sum::<f32>(), 1.0);
        assert_eq!(shares[6], 0.2, "{shares:?}");
    }

    #[test]
    fn no_edges_no_shares() {
        for (width, height) in [(1, 1), (1, 320), (4, 4), (5, 5), (64, 64)] {
            let flat = GrayImage::from_pixel(width, height, Luma([200]));
            let none = EdgeShares { lengths: [0.0; BINS], angles: [0.0; BINS] };
            assert_eq!(EdgeFinder::default().measure(&flat), none);
        }
    }

    /// The bin, from 1, of an angle in degrees.
    fn angle_bin(degrees: f32) -> usize {
        let (sine, cosine) = degrees.to_radians().sin_cos();
        AngleBins::default().bin((9000.0 * cosine) as i16, (9000.0 * sine) as i16) + 1
    }

    #[test]
    fn half_a_turn_is_cut_into_seven_equal_bins() {
        let cases = [
            (0.0, 1),
            (22.0, 1),
            (23.0, 2),
            (45.0, 2),
            (60.0, 3),
            (90.0, 4),
            (110.0, 5),
            (135.0, 6),
            (160.0, 7),
            (176.0, 7),
            (178.0, 1),
        ];
        for (degrees, bin) in cases {
            assert_eq!(angle_bin(degrees), bin, "{degrees}");
            assert_eq!(angle_bin(degrees - 180.0), bin, "{degrees} from bright to dark");
            assert_eq!(angle_bin(degrees + 180.0), bin, "{degrees} from bright to dark");
        }
    }

    /// The angle shares of a picture whose two halves meet in a line across that direction.
    fn halves(across: i32, down: i32) -> [f32; BINS] {
        let is_beyond = |x: u32, y: u32| across * (x as i32 - 40) + down * (y as i32 - 40) > 0;
        let picture =
            GrayImage::from_fn(80, 80, |x, y| Luma([if is_beyond(x, y) { 220 } else { 20 }]));
        EdgeFinder::default().measure(&picture).angles
    }

    #[test]
    fn straight_edges_have_one_angle() {
        let only = |bin: usize| std::array::from_fn(|other| f32::from(other == bin - 1));
        assert_eq!((halves(1, 0), halves(-1, 0)), (only(1), only(1)), "upright");
        assert_eq!((halves(0, 1), halves(0, -1)), (only(4), only(4)), "level");
        assert_eq!((halves(1, 1), halves(-1, -1)), (only(2), only(2)), "falling gradient");
        assert_eq!((halves(-1, 1), halves(1, -1)), (only(6), only(6)), "rising gradient");
    }

    #[test]
    fn angles_are_weighted_by_the_length_of_the_edges() {
        let angles = EdgeFinder::default().measure(&picture_with(60, 20, 200)).angles;
        assert!((angles.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        // Two sides of 20, two of 60; the corners have the angles in between.
        assert!((angles[0] - 0.25).abs() < 0.06, "{angles:?}");
        assert!((angles[3] - 0.75).abs() < 0.06, "{angles:?}");
    }

    #[test]
    fn faint_lines_that_are_no_edges_have_no_angle() {
        let faint = GrayImage::from_fn(64, 40, |x, _| Luma([if x < 30 { 50 } else { 65 }]));
        assert_eq!(EdgeFinder::default().measure(&faint).angles, [0.0; BINS]);
    }
}
