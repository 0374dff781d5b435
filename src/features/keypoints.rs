//! Key points: how many corners the picture has for its size.
//!
//! Corners are those of FAST-9 (Rosten and Drummond, "Machine learning for high-speed corner
//! detection", 2006): nine neighbouring pixels of the circle of radius 3 are all brighter, or all
//! darker, than the centre by more than [`THRESHOLD`]. The largest threshold that a corner would
//! pass is its strength; of touching corners only the strongest counts, of equals the first.
//!
//! Strengths are worked out for all pixels, several at a time and without a branch, so that
//! a picture full of corners costs no more than one without.

use image::GrayImage;

use super::neighbourhoods::{inner_rows, neighbourhoods};

/// Grey levels, of 255, by which a corner stands out from its surroundings.
const THRESHOLD: u8 = 20;

/// The pixels that corners are counted on.
const AREA: f32 = 10_000.0;

/// Radius of the circle around a corner.
const RADIUS: usize = 3;

/// The circle, clockwise from its top: columns to the right and rows down from three pixels to the
/// left of the centre and three above.
const CIRCLE: [(usize, usize); 16] = [
    (3, 0),
    (4, 0),
    (5, 1),
    (6, 2),
    (6, 3),
    (6, 4),
    (5, 5),
    (4, 6),
    (3, 6),
    (2, 6),
    (1, 5),
    (0, 4),
    (0, 3),
    (0, 2),
    (1, 1),
    (2, 0),
];

/// Pixels that a processor's vector unit takes at once, one byte each.
const LANES: usize = 16;

/// Finds corners; keeps its memory from one picture to the next.
#[derive(Debug, Default)]
pub(super) struct CornerFinder {
    /// For each pixel, by how much its arc of nine stands out: 0 at the rim, where no circle fits.
    strengths: Vec<u8>,
}

impl CornerFinder {
    /// Corners for each 10,000 pixels: 0 and up, in practice below 1000.
    ///
    /// Counted by area, so that pictures of different shape, or smaller than the working copy may
    /// be, compare.
    pub(super) fn density(&mut self, grey: &GrayImage) -> f32 {
        self.count(grey) as f32 * AREA / grey.len().max(1) as f32
    }

    fn count(&mut self, grey: &GrayImage) -> usize {
        let (width, height) = (grey.width() as usize, grey.height() as usize);
        self.measure(grey, width, height);
        inner_rows(width, height, RADIUS)
            .flat_map(|inside| neighbourhoods(&self.strengths, inside, width))
            .filter(|around| is_corner(*around))
            .count()
    }

    fn measure(&mut self, grey: &[u8], width: usize, height: usize) {
        self.strengths.clear();
        self.strengths.resize(width * height, 0);
        for inside in inner_rows(width, height, RADIUS) {
            let top = inside.start - RADIUS * (width + 1);
            let rows = &grey[top..top + (2 * RADIUS + 1) * width];
            measure_row(rows, width, &mut self.strengths[inside]);
        }
    }
}

/// Whether the pixel in the middle of these strengths is a corner and the strongest of them.
fn is_corner([above, [left, strength, right], below]: [[u8; 3]; 3]) -> bool {
    let before = above[0].max(above[1]).max(above[2]).max(left);
    let after = below[0].max(below[1]).max(below[2]).max(right);
    (strength > THRESHOLD) & (strength > before) & (strength >= after)
}

/// Writes the strengths of a row's pixels, given the seven rows that their circles lie in.
fn measure_row(rows: &[u8], width: usize, strengths: &mut [u8]) {
    let (blocks, rest) = strengths.as_chunks_mut::<LANES>();
    let measured = blocks.len() * LANES;
    for (index, block) in blocks.iter_mut().enumerate() {
        *block = measure(rows, width, index * LANES);
    }
    for (x, strength) in rest.iter_mut().enumerate() {
        [*strength] = measure(rows, width, measured + x);
    }
}

/// The strengths of `N` pixels side by side; the circle of the first begins in column `x`.
fn measure<const N: usize>(rows: &[u8], width: usize, x: usize) -> [u8; N] {
    let pixels = |(column, row): (usize, usize)| -> [u8; N] {
        let start = row * width + x + column;
        let source = &rows[start..start + N];
        std::array::from_fn(|lane| source[lane])
    };
    let centre = pixels((RADIUS, RADIUS));
    let circle = CIRCLE.map(pixels);
    let brighter = circle.map(|pixel| pair(pixel, centre, u8::saturating_sub));
    let darker = circle.map(|pixel| pair(centre, pixel, u8::saturating_sub));
    pair(strongest_arc(&brighter), strongest_arc(&darker), u8::max)
}

/// Of all arcs of nine neighbours: the greatest of their least values.
fn strongest_arc<const N: usize>(circle: &[[u8; N]; 16]) -> [u8; N] {
    // Of two neighbours, of four, of eight, and then of nine.
    let two = least(circle, circle, 1);
    let four = least(&two, &two, 2);
    let eight = least(&four, &four, 4);
    let nine = least(&eight, circle, 8);
    nine.into_iter().fold([0; N], |greatest, arc| pair(greatest, arc, u8::max))
}

/// The lesser of each value of one circle and the value `further` on in another.
fn least<const N: usize>(
    one: &[[u8; N]; 16],
    other: &[[u8; N]; 16],
    further: usize,
) -> [[u8; N]; 16] {
    std::array::from_fn(|at| pair(one[at], other[(at + further) % 16], u8::min))
}

fn pair<const N: usize>(one: [u8; N], other: [u8; N], join: impl Fn(u8, u8) -> u8) -> [u8; N] {
    std::array::from_fn(|lane| join(one[lane], other[lane]))
}

#[cfg(test)]
mod tests {
    use image::{GrayImage, Luma};
    use imageproc::corners::corners_fast9;
    use imageproc::drawing::draw_filled_rect_mut;
    use imageproc::rect::Rect;

    use super::*;

    fn count(picture: &GrayImage) -> usize {
        CornerFinder::default().count(picture)
    }

    fn density(picture: &GrayImage) -> f32 {
        CornerFinder::default().density(picture)
    }

    fn squares(across: i32, down: i32) -> GrayImage {
        let mut picture = GrayImage::from_pixel(40 * across as u32, 40 * down as u32, Luma([30]));
        for (x, y) in (0..across).flat_map(|x| (0..down).map(move |y| (x, y))) {
            let square = Rect::at(40 * x + 10, 40 * y + 10).of_size(20, 20);
            draw_filled_rect_mut(&mut picture, square, Luma([200]));
        }
        picture
    }

    #[test]
    fn a_square_has_four_corners() {
        assert_eq!(count(&squares(1, 1)), 4);
        assert_eq!(count(&squares(5, 3)), 60);
        assert!((density(&squares(5, 3)) - 60.0 / 2.4).abs() < 1e-4);
    }

    #[test]
    fn twice_the_scene_has_the_same_density() {
        assert_eq!(density(&squares(2, 2)), density(&squares(6, 1)));
    }

    #[test]
    fn corners_as_faint_as_the_threshold_do_not_count() {
        let faint = |level| {
            let mut picture = squares(1, 1);
            picture.iter_mut().filter(|grey| **grey == 200).for_each(|grey| *grey = level);
            count(&picture)
        };
        assert_eq!((faint(30 + THRESHOLD), faint(31 + THRESHOLD)), (0, 4));
    }

    #[test]
    fn pictures_without_room_for_the_circle_have_none() {
        for (width, height) in [(1, 1), (1, 50), (50, 1), (6, 6)] {
            assert_eq!(count(&GrayImage::new(width, height)), 0);
        }
    }

    #[test]
    fn corners_and_strengths_are_those_of_another_implementation() {
        let mut random = fastrand::Rng::with_seed(9);
        for (width, height) in [(7, 7), (22, 9), (23, 31), (64, 48)] {
            let level = |random: &mut fastrand::Rng| [10, 40, 90, 95, 200][random.usize(..5)];
            let picture = GrayImage::from_fn(width, height, |_, _| Luma([level(&mut random)]));
            let picture = imageproc::filter::box_filter(&picture, 1, 1);
            let mut finder = CornerFinder::default();
            finder.count(&picture);
            let strengths = GrayImage::from_raw(width, height, finder.strengths).unwrap();
            let found = strengths.enumerate_pixels().filter(|(.., strength)| strength[0] > 5);
            // There, strength is the largest difference that still fails.
            let found: Vec<_> = found.map(|(x, y, strength)| (x, y, strength[0] - 1)).collect();
            let expected = corners_fast9(&picture, 5).into_iter();
            let expected: Vec<_> =
                expected.map(|corner| (corner.x, corner.y, corner.score as u8)).collect();
            assert_eq!(found, expected);
            assert!(width < 64 || !found.is_empty());
        }
    }
}
