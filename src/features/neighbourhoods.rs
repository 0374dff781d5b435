//! The surroundings of pixels: which have enough of them, and what the nearest eight are.

use std::ops::Range;

/// The rows of a plane without its rim, which is `rim` pixels wide: where each lies in the plane.
///
/// None if there is nothing but rim.
pub(super) fn inner_rows(
    width: usize,
    height: usize,
    rim: usize,
) -> impl Iterator<Item = Range<usize>> {
    let rows = if width <= 2 * rim { 0..0 } else { rim..height.saturating_sub(rim) };
    rows.map(move |y| y * width + rim..(y + 1) * width - rim)
}

/// The three by three pixels around each pixel of a part of a plane, rows from above to below.
///
/// The plane's rows are `width` pixels long. The part lies in one row, and neither it nor its row
/// is at the rim of the plane. Panics otherwise.
pub(super) fn neighbourhoods<T: Copy>(
    plane: &[T],
    part: Range<usize>,
    width: usize,
) -> impl Iterator<Item = [[T; 3]; 3]> {
    let windows = |start: usize| plane[start - 1..start + part.len() + 1].windows(3);
    let (above, below) = (windows(part.start - width), windows(part.start + width));
    let rows = above.zip(windows(part.start)).zip(below);
    rows.map(|((above, level), below)| [three(above), three(level), three(below)])
}

// By index, because the compiler sees through that and not through a conversion that could fail.
fn three<T: Copy>(window: &[T]) -> [T; 3] {
    [window[0], window[1], window[2]]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rim_is_left_out_on_all_sides() {
        assert_eq!(inner_rows(5, 4, 1).collect::<Vec<_>>(), [6..9, 11..14]);
        assert!(inner_rows(5, 5, 2).eq(std::iter::once(12..13)));
        for (width, height) in [(0, 0), (1, 9), (9, 1), (4, 4), (4, 9), (9, 4)] {
            assert_eq!(inner_rows(width, height, 2).count(), 0, "{width}x{height}");
        }
    }

    #[test]
    fn each_pixel_comes_with_its_eight_neighbours() {
        let plane: Vec<u8> = (0..20).collect();
        let found: Vec<_> = neighbourhoods(&plane, 6..8, 5).collect();
        let expected = [[[0, 1, 2], [5, 6, 7], [10, 11, 12]], [[1, 2, 3], [6, 7, 8], [11, 12, 13]]];
        assert_eq!(found, expected);
    }
}
