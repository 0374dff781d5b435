//! Key points: how many corners the picture has for its size.
//!
//! Corners are those of FAST-9 (Rosten and Drummond, "Machine learning for high-speed corner
//! detection", 2006): nine neighbouring pixels of the circle of radius 3 are all brighter, or all
//! darker, than the centre by more than [`THRESHOLD`]. Of corners closer than [`APART`] pixels in
//! both directions, only the strongest counts.

use image::GrayImage;
use imageproc::corners::corners_fast9;
use imageproc::suppress::local_maxima;

/// Grey levels, of 255, by which a corner stands out from its surroundings.
const THRESHOLD: u8 = 20;

/// Pixels within which one corner suppresses weaker ones.
const APART: u32 = 3;

/// The pixels that [`density`] counts corners on.
const AREA: f32 = 10_000.0;

/// Corners for each 10,000 pixels: 0 and up, in practice below 200.
///
/// Counted by area, so that pictures of different shape, or smaller than the working copy may be,
/// compare.
pub(super) fn density(grey: &GrayImage) -> f32 {
    count(grey) as f32 * AREA / grey.len().max(1) as f32
}

fn count(grey: &GrayImage) -> usize {
    local_maxima(&corners_fast9(grey, THRESHOLD), APART).len()
}

#[cfg(test)]
mod tests {
    use image::{GrayImage, Luma};
    use imageproc::drawing::draw_filled_rect_mut;
    use imageproc::rect::Rect;

    use super::*;

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
}
