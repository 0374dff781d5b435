//! Brightness and contrast: what the averages and the spread of the planes say.
//!
//! Perceived brightness is that of the HSP colour model (Darel Rex Finley, 2006), in its form with
//! the weights 0.241, 0.691 and 0.068. It is taken of the average colour, not averaged over the
//! pixels, which costs one square root for a picture. Contrast is RMS contrast (Peli, "Contrast in
//! complex images", 1990): the standard deviation of luma. All follow from the sum and the sum of
//! squares of four planes, so each is read once.

/// Of the squares of red, green and blue: their shares in the square of perceived brightness.
const PERCEPTION: [f64; 3] = [0.241, 0.691, 0.068];

/// The brightest value that a pixel can have.
const WHITE: f64 = 255.0;

/// What the levels of a picture's planes say; each value from 0 (black, flat) up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Tones {
    /// Average luma; white is 1.
    pub(super) brightness: f32,
    /// Root of the mean square of luma; white is 1.
    pub(super) brightness_rms: f32,
    /// Perceived brightness of the average colour; white is 1.
    pub(super) perceived_brightness: f32,
    /// Perceived brightness of the colour made of the roots of the mean squares of red, green and
    /// blue, which is the root of the mean square over the pixels; white is 1.
    pub(super) perceived_brightness_rms: f32,
    /// RMS contrast: the standard deviation of luma, up to 0.5 (half black, half white).
    pub(super) contrast: f32,
}

impl Tones {
    /// The tones of a picture, given in luma and as its red, green and blue plane.
    pub(super) fn of(grey: &[u8], colours: [&[u8]; 3]) -> Self {
        let (grey, colours) = (Moments::of(grey), colours.map(Moments::of));
        let perceived = |squares: [f64; 3]| {
            let squares = squares.into_iter().zip(PERCEPTION);
            squares.map(|(square, weight)| weight * square).sum::<f64>().sqrt() / WHITE
        };
        let of_average = perceived(colours.map(|colour| colour.mean().powi(2)));
        let of_pixels = perceived(colours.map(Moments::mean_square));
        Self {
            brightness: (grey.mean() / WHITE) as f32,
            brightness_rms: (grey.mean_square().sqrt() / WHITE) as f32,
            perceived_brightness: of_average as f32,
            perceived_brightness_rms: of_pixels as f32,
            contrast: (grey.deviation() / WHITE) as f32,
        }
    }
}

/// The count, the sum and the sum of squares of the pixels of a plane: average and spread follow.
#[derive(Clone, Copy, Debug, Default)]
struct Moments {
    count: u64,
    sum: u64,
    squares: u64,
}

impl Moments {
    /// Pixels whose squares a 32-bit number can add up.
    const BLOCK: usize = 1 << 16;

    fn of(plane: &[u8]) -> Self {
        plane.chunks(Self::BLOCK).map(Self::of_block).fold(Self::default(), |sum, block| Self {
            count: sum.count + block.count,
            sum: sum.sum + block.sum,
            squares: sum.squares + block.squares,
        })
    }

    // Narrow sums, because they are what the compiler turns into vector instructions.
    fn of_block(block: &[u8]) -> Self {
        let (sum, squares) = block.iter().fold((0_u32, 0_u32), |(sum, squares), &value| {
            let value = u32::from(value);
            (sum + value, squares + value * value)
        });
        Self { count: block.len() as u64, sum: sum.into(), squares: squares.into() }
    }

    fn mean(self) -> f64 {
        self.sum as f64 / self.count.max(1) as f64
    }

    fn mean_square(self) -> f64 {
        self.squares as f64 / self.count.max(1) as f64
    }

    fn deviation(self) -> f64 {
        (self.mean_square() - self.mean().powi(2)).max(0.0).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_flat(red: u8, green: u8, blue: u8) -> f32 {
        Tones::of(&[0; 12], [&[red; 12], &[green; 12], &[blue; 12]]).perceived_brightness
    }

    /// The tones of a grey picture.
    fn of_grey(plane: &[u8]) -> Tones {
        Tones::of(plane, [plane; 3])
    }

    fn assert_near(value: f32, expected: f32) {
        assert!((value - expected).abs() < 1e-6, "{value} {expected}");
    }

    #[test]
    fn white_is_one_black_is_nothing_and_grey_lies_between() {
        assert_eq!((of_flat(255, 255, 255), of_flat(0, 0, 0)), (1.0, 0.0));
        assert!((of_flat(51, 51, 51) - 0.2).abs() < 1e-6);
    }

    #[test]
    fn pure_colours_are_as_bright_as_the_model_says() {
        assert!((of_flat(255, 0, 0) - 0.241_f32.sqrt()).abs() < 1e-6);
        assert!((of_flat(0, 255, 0) - 0.691_f32.sqrt()).abs() < 1e-6);
        assert!((of_flat(0, 0, 255) - 0.068_f32.sqrt()).abs() < 1e-6);
    }

    #[test]
    fn contrast_is_greatest_for_half_black_half_white() {
        assert_eq!(of_grey(&[0, 255, 255, 0]).contrast, 0.5);
        assert_eq!(of_grey(&[77; 100]).contrast, 0.0);
        assert_near(of_grey(&[255, 0, 0, 0]).contrast, 0.1875_f32.sqrt());
    }

    #[test]
    fn a_root_mean_square_lies_above_the_average_unless_all_is_flat() {
        let flat = of_grey(&[51; 9]);
        for value in [
            flat.brightness,
            flat.brightness_rms,
            flat.perceived_brightness,
            flat.perceived_brightness_rms,
        ] {
            assert_near(value, 0.2);
        }
        let quarter = of_grey(&[255, 0, 0, 0]);
        assert_near(quarter.brightness, 0.25);
        assert_near(quarter.brightness_rms, 0.5);
        assert_near(quarter.perceived_brightness, 0.25);
        assert_near(quarter.perceived_brightness_rms, 0.5);
    }

    #[test]
    fn perceived_brightness_squares_each_colour_by_itself() {
        // One pixel pure red, one pure green.
        let tones = Tones::of(&[76, 150], [&[255, 0], &[0, 255], &[0, 0]]);
        assert_near(tones.brightness, 113.0 / 255.0);
        assert_near(tones.perceived_brightness, (0.932_f32 / 4.0).sqrt());
        assert_near(tones.perceived_brightness_rms, (0.932_f32 / 2.0).sqrt());
    }

    #[test]
    fn sums_of_large_planes_do_not_overflow() {
        let moments = Moments::of(&vec![255; 3 * Moments::BLOCK + 1]);
        assert_eq!((moments.mean(), moments.deviation()), (255.0, 0.0));
    }
}
