//! Brightness and contrast: what the averages and the spread of the planes say.
//!
//! Perceived brightness is that of the HSP colour model (Darel Rex Finley, 2006), in its form with
//! the weights 0.241, 0.691 and 0.068. It is taken of the average colour, not averaged over the
//! pixels, which costs one square root for a picture. Contrast is RMS contrast (Peli, "Contrast in
//! complex images", 1990): the standard deviation of luma.

/// Of the squares of red, green and blue: their shares in the square of perceived brightness.
const PERCEPTION: [f64; 3] = [0.241, 0.691, 0.068];

/// The brightest value that a pixel can have.
const WHITE: f64 = 255.0;

/// Perceived brightness of the average colour, from 0 (black) to 1 (white).
pub(super) fn average_perceived_brightness(planes: [&[u8]; 3]) -> f32 {
    let squared: f64 = planes
        .into_iter()
        .zip(PERCEPTION)
        .map(|(plane, weight)| weight * (Moments::of(plane).mean() / WHITE).powi(2))
        .sum();
    squared.sqrt() as f32
}

/// RMS contrast: the standard deviation of luma, from 0 (flat) to 0.5 (half black, half white).
pub(super) fn contrast(grey: &[u8]) -> f32 {
    (Moments::of(grey).deviation() / WHITE) as f32
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

    fn deviation(self) -> f64 {
        let mean_square = self.squares as f64 / self.count.max(1) as f64;
        (mean_square - self.mean().powi(2)).max(0.0).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_flat(red: u8, green: u8, blue: u8) -> f32 {
        average_perceived_brightness([&[red; 12], &[green; 12], &[blue; 12]])
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
        assert_eq!(contrast(&[0, 255, 255, 0]), 0.5);
        assert_eq!(contrast(&[77; 100]), 0.0);
        let one_in_four = contrast(&[255, 0, 0, 0]);
        assert!((one_in_four - 0.1875_f32.sqrt()).abs() < 1e-6, "{one_in_four}");
    }

    #[test]
    fn sums_of_large_planes_do_not_overflow() {
        let moments = Moments::of(&vec![255; 3 * Moments::BLOCK + 1]);
        assert_eq!((moments.mean(), moments.deviation()), (255.0, 0.0));
    }
}
