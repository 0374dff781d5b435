//! The main object: the largest thing that does not look like the picture's border.
//!
//! Without a detector, what fills the picture's four sides passes for background: for each side the
//! average colour of the strip along it. A pixel is as salient as the nearest of these four colours
//! is far. Otsu's threshold ("A threshold selection method from gray-level histograms", 1979), but
//! at least [`LEAST_SALIENCE`], splits the salient pixels off; their largest connected component is
//! the main object. If it takes less than 1/[`LEAST_PART`] of the picture, as in flat pictures and in
//! noise, the main object is the whole picture.
//!
//! The aspect ratio is given as a logarithm, cut off at [`LONGEST`] to one. The premodel scales each
//! feature linearly between the extremes of its training set and compares differences: of the plain
//! ratio, a few long objects would press all others together (all columns lie between 0 and 1, all
//! rows between 1 and 256), whereas the logarithm makes a column differ from a square as much as the
//! row of the same shape does. One picture in 160 has a longer object than the limit.

use image::GrayImage;
use imageproc::contrast::otsu_level;

use super::components::Components;

/// Colour levels, of 255, by which an object stands out from the background at least.
const LEAST_SALIENCE: u8 = 12;

/// The smallest main object: the picture's area over this.
const LEAST_PART: u32 = 256;

/// The longest shape that is told from longer ones: width over height, or height over width.
const LONGEST: f32 = 8.0;

/// How wide the strips are: the picture's side over this, but at least one pixel.
const STRIP_PART: usize = 16;

/// What the main object's outline says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct MainObject {
    /// Area over perimeter, over the picture's longest side: from 0 (thin, ragged) to 0.25 (a square
    /// that is the whole picture). Both are in pixels; the perimeter counts pixel sides, so that a
    /// rectangle's is twice width plus height.
    pub(super) area_by_perimeter: f32,
    /// Binary logarithm of width over height of the smallest upright rectangle around it, from
    /// -3 (a column, 8 times as high as wide, or more) over 0 (square) to 3.
    pub(super) aspect_ratio: f32,
}

/// Finds main objects; keeps its memory from one picture to the next.
#[derive(Debug, Default)]
pub(super) struct ObjectFinder {
    salience: GrayImage,
    mask: Vec<u8>,
    components: Components,
}

impl ObjectFinder {
    /// The main object of a picture whose rows are `width` pixels long.
    pub(super) fn find(&mut self, planes: [&[u8]; 3], width: usize) -> MainObject {
        let height = planes[0].len() / width.max(1);
        self.measure_salience(planes, width, height);
        let threshold = otsu_level(&self.salience).max(LEAST_SALIENCE);
        self.mask.clear();
        self.mask.extend(self.salience.iter().map(|&salience| u8::from(salience > threshold)));
        let largest = self.components.find(&self.mask, width).max_by_key(|part| part.area);
        let longest_side = width.max(height) as f32;
        match largest.filter(|part| part.area as usize * LEAST_PART as usize >= self.mask.len()) {
            Some(part) => MainObject {
                area_by_perimeter: part.area as f32 / part.perimeter as f32 / longest_side,
                aspect_ratio: aspect_ratio(part.width() as f32, part.height() as f32),
            },
            None => whole_picture(width, height),
        }
    }

    fn measure_salience(&mut self, [red, green, blue]: [&[u8]; 3], width: usize, height: usize) {
        if self.salience.dimensions() != (width as u32, height as u32) {
            self.salience = GrayImage::new(width as u32, height as u32);
        }
        let sides = side_colours([red, green, blue], width, height);
        let colours = red.iter().zip(green).zip(blue);
        for (salience, ((&red, &green), &blue)) in self.salience.iter_mut().zip(colours) {
            let [a, b, c, d] = sides.map(|side| distance([red, green, blue], side));
            *salience = a.min(b).min(c.min(d));
        }
    }
}

fn whole_picture(width: usize, height: usize) -> MainObject {
    let (width, height) = (width.max(1) as f32, height.max(1) as f32);
    MainObject {
        area_by_perimeter: width * height / (2.0 * (width + height)) / width.max(height),
        aspect_ratio: aspect_ratio(width, height),
    }
}

/// The binary logarithm of the ratio of two lengths above 0, within its limits.
fn aspect_ratio(width: f32, height: f32) -> f32 {
    (width / height).log2().clamp(-LONGEST.log2(), LONGEST.log2())
}

/// The average difference of two colours' components.
fn distance(one: [u8; 3], other: [u8; 3]) -> u8 {
    let apart = |index: usize| u16::from(one[index].abs_diff(other[index]));
    ((apart(0) + apart(1) + apart(2)) / 3) as u8
}

/// The average colours of the strips along the top, the bottom, the left and the right side.
fn side_colours(planes: [&[u8]; 3], width: usize, height: usize) -> [[u8; 3]; 4] {
    let across = (width / STRIP_PART).max(1);
    let down = (height / STRIP_PART).max(1) * width;
    let ends = |plane: &[u8]| plane.len().saturating_sub(down);
    [
        planes.map(|plane| average(plane[..down].iter())),
        planes.map(|plane| average(plane[ends(plane)..].iter())),
        planes.map(|plane| average(plane.chunks(width).flat_map(|row| &row[..across]))),
        planes.map(|plane| average(plane.chunks(width).flat_map(|row| &row[width - across..]))),
    ]
}

fn average<'a>(values: impl Iterator<Item = &'a u8>) -> u8 {
    let (sum, count) =
        values.fold((0_u32, 0_u32), |(sum, count), &value| (sum + u32::from(value), count + 1));
    ((sum + count / 2) / count.max(1)) as u8
}

#[cfg(test)]
mod tests {
    use image::{Rgb, RgbImage};
    use imageproc::drawing::draw_filled_rect_mut;
    use imageproc::rect::Rect;

    use super::*;

    const SKY: Rgb<u8> = Rgb([120, 170, 250]);
    const GRASS: Rgb<u8> = Rgb([40, 160, 50]);
    const BALL: Rgb<u8> = Rgb([240, 120, 20]);

    fn find(picture: &RgbImage) -> MainObject {
        let plane = |index: usize| picture.pixels().map(|pixel| pixel[index]).collect::<Vec<u8>>();
        let (red, green, blue) = (plane(0), plane(1), plane(2));
        ObjectFinder::default().find([&red, &green, &blue], picture.width() as usize)
    }

    fn assert_outline(found: MainObject, area: u32, perimeter: u32, side: u32, aspect_ratio: f32) {
        let expected = area as f32 / perimeter as f32 / side as f32;
        assert!((found.area_by_perimeter - expected).abs() < 1e-6, "{found:?} {expected}");
        let logarithm = aspect_ratio.log2();
        assert!((found.aspect_ratio - logarithm).abs() < 1e-6, "{found:?} {logarithm}");
    }

    #[test]
    fn a_rectangle_is_found_with_its_outline() {
        let mut picture = RgbImage::from_pixel(160, 120, SKY);
        draw_filled_rect_mut(&mut picture, Rect::at(40, 30).of_size(60, 20), BALL);
        draw_filled_rect_mut(&mut picture, Rect::at(40, 80).of_size(10, 10), BALL);
        assert_outline(find(&picture), 1200, 160, 160, 3.0);
    }

    #[test]
    fn sky_and_grass_are_both_background() {
        let mut picture = RgbImage::from_fn(100, 120, |_, y| if y < 60 { SKY } else { GRASS });
        draw_filled_rect_mut(&mut picture, Rect::at(40, 45).of_size(20, 30), BALL);
        assert_outline(find(&picture), 600, 100, 120, 20.0 / 30.0);
    }

    #[test]
    fn without_an_object_it_is_the_whole_picture() {
        let whole = (120 * 80, 2 * (120 + 80));
        let flat = RgbImage::from_pixel(120, 80, GRASS);
        assert_outline(find(&flat), whole.0, whole.1, 120, 1.5);
        let faint = RgbImage::from_fn(120, 80, |x, y| Rgb([100 + ((x ^ y) % 8) as u8; 3]));
        assert_outline(find(&faint), whole.0, whole.1, 120, 1.5);
    }

    #[test]
    fn specks_are_not_the_main_object() {
        let specks = |x: u32, y: u32| if x % 9 == 4 && y % 9 == 4 { BALL } else { SKY };
        assert_outline(find(&RgbImage::from_fn(90, 90, specks)), 8100, 360, 90, 1.0);
    }

    #[test]
    fn the_smallest_pictures_are_their_own_main_object() {
        assert_outline(find(&RgbImage::new(1, 1)), 1, 4, 1, 1.0);
        assert_outline(find(&RgbImage::new(256, 1)), 256, 514, 256, 8.0);
        assert_outline(find(&RgbImage::new(1, 256)), 256, 514, 256, 1.0 / 8.0);
    }

    #[test]
    fn a_row_differs_from_a_square_as_much_as_a_column() {
        assert_eq!(aspect_ratio(5.0, 5.0), 0.0);
        assert_eq!((aspect_ratio(20.0, 5.0), aspect_ratio(5.0, 20.0)), (2.0, -2.0));
        assert_eq!((aspect_ratio(90.0, 9.0), aspect_ratio(9.0, 90.0)), (3.0, -3.0));
    }
}
