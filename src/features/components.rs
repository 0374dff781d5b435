//! Connected components of a mask: pixels that are set and touch, by a side or by a corner.
//!
//! The mask is read once, row by row, as runs of set pixels. Runs that touch a run in the row above
//! are joined (union-find), and so are their area, outline and bounds. No picture of labels is
//! made: what is asked of a component is added up on the way, and the runs are kept for those who
//! look at its pixels again.

use std::ops::Range;

/// What is known of one component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Component {
    /// Its pixels.
    pub(super) area: u32,
    /// Sides of its pixels that do not border on another of its pixels; outlines of holes count.
    pub(super) perimeter: u32,
    /// The largest value that the mask has in it.
    pub(super) peak: u8,
    left: u32,
    top: u32,
    right: u32,
    bottom: u32,
}

impl Component {
    /// Columns from its leftmost to its rightmost pixel.
    pub(super) fn width(&self) -> u32 {
        self.right - self.left
    }

    /// Rows from its topmost to its lowest pixel.
    pub(super) fn height(&self) -> u32 {
        self.bottom - self.top
    }

    fn of_run(columns: &Range<usize>, row: usize, peak: u8) -> Self {
        let length = columns.len() as u32;
        Self {
            area: length,
            perimeter: 2 * length + 2,
            peak,
            left: columns.start as u32,
            top: row as u32,
            right: columns.end as u32,
            bottom: row as u32 + 1,
        }
    }

    fn joined(&self, other: &Self) -> Self {
        Self {
            area: self.area + other.area,
            perimeter: self.perimeter + other.perimeter,
            peak: self.peak.max(other.peak),
            left: self.left.min(other.left),
            top: self.top.min(other.top),
            right: self.right.max(other.right),
            bottom: self.bottom.max(other.bottom),
        }
    }
}

/// A run of set pixels, and the component it was first counted in.
#[derive(Clone, Debug)]
struct Run {
    columns: Range<usize>,
    component: usize,
}

/// The components of the mask read last.
#[derive(Debug, Default)]
pub(super) struct Components {
    /// Indexed like `parents`; only those that are their own parent still stand for a component.
    found: Vec<Component>,
    parents: Vec<usize>,
    /// Where the runs lie in the mask; each began as the component of its own number.
    runs: Vec<Range<usize>>,
    above: Vec<Run>,
    row: Vec<Run>,
}

impl Components {
    /// Finds the components of a mask whose rows are `width` pixels long; 0 is not set.
    pub(super) fn find(
        &mut self,
        mask: &[u8],
        width: usize,
    ) -> impl Iterator<Item = &Component> + use<'_> {
        self.found.clear();
        self.parents.clear();
        self.runs.clear();
        self.above.clear();
        for (y, pixels) in mask.chunks_exact(width.max(1)).enumerate() {
            self.read_row(pixels, y);
            self.join_with_above();
            std::mem::swap(&mut self.row, &mut self.above);
        }
        let own = self.parents.iter().enumerate().filter(|&(index, &parent)| index == parent);
        own.map(|(index, _)| &self.found[index])
    }

    /// Every run of set pixels, as its place in the mask read last, with its component.
    pub(super) fn runs(&self) -> impl Iterator<Item = (Range<usize>, &Component)> {
        let runs = self.runs.iter().cloned().enumerate();
        runs.map(|(number, run)| (run, &self.found[self.ancestor(number)]))
    }

    /// Makes each run of a row a component of its own.
    fn read_row(&mut self, pixels: &[u8], y: usize) {
        self.row.clear();
        let before = y * pixels.len();
        let mut end = 0;
        while let Some(gap) = pixels[end..].iter().position(|&pixel| pixel != 0) {
            let start = end + gap;
            let run = pixels[start..].iter().position(|&pixel| pixel == 0);
            end = run.map_or(pixels.len(), |length| start + length);
            let peak = pixels[start..end].iter().copied().max().unwrap_or(0);
            let component = self.found.len();
            self.row.push(Run { columns: start..end, component });
            self.found.push(Component::of_run(&(start..end), y, peak));
            self.parents.push(component);
            self.runs.push(before + start..before + end);
        }
    }

    /// Joins the components of the runs that touch.
    fn join_with_above(&mut self) {
        let (mut upper, mut lower) = (0, 0);
        while let (Some(above), Some(below)) = (self.above.get(upper), self.row.get(lower)) {
            let (one, other) = (above.component, below.component);
            let start = above.columns.start.max(below.columns.start);
            let end = above.columns.end.min(below.columns.end);
            // Whichever ends first touches no later run of the other row.
            if above.columns.end < below.columns.end {
                upper += 1;
            } else {
                lower += 1;
            }
            if start <= end {
                self.join(one, other, (end - start) as u32);
            }
        }
    }

    /// Makes two components one; `shared` sides lie between them.
    fn join(&mut self, one: usize, other: usize, shared: u32) {
        let (one, other) = (self.root(one), self.root(other));
        let (kept, gone) = (one.min(other), one.max(other));
        if kept != gone {
            self.found[kept] = self.found[kept].joined(&self.found[gone]);
            self.parents[gone] = kept;
        }
        self.found[kept].perimeter -= 2 * shared;
    }

    fn root(&mut self, mut component: usize) -> usize {
        while self.parents[component] != component {
            self.parents[component] = self.parents[self.parents[component]];
            component = self.parents[component];
        }
        component
    }

    /// The same, where nothing may change.
    fn ancestor(&self, mut component: usize) -> usize {
        while self.parents[component] != component {
            component = self.parents[component];
        }
        component
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Areas and perimeters of the components of a picture drawn in text.
    fn outlines(rows: &[&str]) -> Vec<(u32, u32)> {
        found(rows).iter().map(|component| (component.area, component.perimeter)).collect()
    }

    fn found(rows: &[&str]) -> Vec<Component> {
        let digit = |letter: u8| if letter == b'.' { 0 } else { letter - b'0' };
        let mask: Vec<u8> = rows.iter().flat_map(|row| row.bytes().map(digit)).collect();
        Components::default().find(&mask, rows[0].len()).copied().collect()
    }

    #[test]
    fn a_rectangle_has_its_area_perimeter_and_bounds() {
        let found = found(&["......", ".1111.", ".1211.", "......"]);
        let [component] = found[..] else { panic!("{found:?}") };
        assert_eq!((component.area, component.perimeter, component.peak), (8, 12, 2));
        assert_eq!((component.width(), component.height()), (4, 2));
    }

    #[test]
    fn pixels_that_touch_by_a_corner_belong_together() {
        assert_eq!(outlines(&["1..", ".1.", "1.."]), [(3, 12)]);
        assert_eq!(outlines(&["1.1", "...", "1.1"]), [(1, 4); 4]);
        assert_eq!(outlines(&["11..", "..11"]), [(4, 12)]);
        assert_eq!(outlines(&["..11", "11.."]), [(4, 12)]);
    }

    #[test]
    fn arms_that_meet_further_down_are_one() {
        assert_eq!(outlines(&["1.1.1", "1.1.1", "11111"]), [(11, 24)]);
        assert_eq!(outlines(&["11111", "1.1.1", "1.1.1"]), [(11, 24)]);
    }

    #[test]
    fn the_outline_of_a_hole_counts() {
        assert_eq!(outlines(&["111", "1.1", "111"]), [(8, 16)]);
    }

    #[test]
    fn a_run_may_touch_several_above_and_below() {
        assert_eq!(outlines(&["1.1.1", ".1.1.", "1.1.1"]), [(8, 32)]);
        assert_eq!(outlines(&["111.1", "....1", "1.111"]), [(3, 8), (5, 12), (1, 4)]);
    }

    #[test]
    fn nothing_set_is_no_component() {
        assert_eq!(outlines(&["....", "...."]), []);
        assert_eq!(Components::default().find(&[], 0).count(), 0);
    }

    #[test]
    fn every_run_knows_its_component() {
        let mut components = Components::default();
        let mask = [1, 0, 1, 0, 3, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 2, 2];
        assert_eq!(components.find(&mask, 6).count(), 2);
        let runs: Vec<_> = components.runs().map(|(run, part)| (run, part.area)).collect();
        // The first touches nothing; the next two meet in the second row.
        assert_eq!(runs, [(0..1, 1), (2..3, 7), (4..5, 7), (8..11, 7), (16..18, 7)]);
        assert_eq!(components.runs().filter(|(_, part)| part.peak == 3).count(), 4);
        assert_eq!(components.find(&[0, 1], 2).count(), 1);
        assert_eq!(components.runs().map(|(run, _)| run).last(), Some(1..2));
    }

    #[test]
    fn a_second_mask_is_read_afresh() {
        let mut components = Components::default();
        assert_eq!(components.find(&[1, 0, 1], 3).count(), 2);
        assert_eq!(components.find(&[0, 1, 0, 0], 2).count(), 1);
    }
}
