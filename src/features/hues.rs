//! Hues: how much of the picture lies in each seventh of the colour circle.
//!
//! Hue is that of the HSV model: 0 at red, rising over yellow, green, cyan, blue and magenta. The
//! circle is cut into [`BINS`] equal bins of 51.4 degrees, the first from red to orange-yellow.
//! A pixel whose largest and smallest colour differ by less than [`LEAST_CHROMA`] is grey: it has
//! no hue worth the name and counts in no bin, but does count in the whole that shares are of.

/// Bins that the colour circle is cut into.
pub(super) const BINS: usize = 7;

/// The least difference of largest and smallest colour, of 255, that makes a hue.
const LEAST_CHROMA: u8 = 16;

/// Shares of all pixels whose hue lies in each bin; the rest up to 1 is grey.
pub(super) fn shares([red, green, blue]: [&[u8]; 3]) -> [f32; BINS] {
    let mut counts = [0_u32; BINS];
    for ((&red, &green), &blue) in red.iter().zip(green).zip(blue) {
        if let Some(bin) = bin(red, green, blue) {
            counts[bin] += 1;
        }
    }
    let all = red.len().max(1) as f32;
    counts.map(|count| count as f32 / all)
}

/// The bin that a colour's hue lies in; `None` for grey.
fn bin(red: u8, green: u8, blue: u8) -> Option<usize> {
    let largest = red.max(green).max(blue);
    let chroma = largest - red.min(green).min(blue);
    if chroma < LEAST_CHROMA {
        return None;
    }
    // The hue in sixths of the circle, times the chroma.
    let chroma = i32::from(chroma);
    let (sixth, past) = if largest == red {
        (if green >= blue { 0 } else { 6 }, i32::from(green) - i32::from(blue))
    } else if largest == green {
        (2, i32::from(blue) - i32::from(red))
    } else {
        (4, i32::from(red) - i32::from(green))
    };
    let hue = sixth * chroma + past;
    Some((BINS as i32 * hue / (6 * chroma)) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_circle_is_cut_into_seven_equal_bins() {
        let colours = [
            ((255, 0, 0), 0),   // 0 degrees
            ((255, 200, 0), 0), // 47
            ((255, 230, 0), 1), // 54
            ((128, 255, 0), 1), // 90
            ((0, 255, 0), 2),   // 120
            ((0, 255, 255), 3), // 180
            ((0, 0, 255), 4),   // 240
            ((255, 0, 255), 5), // 300
            ((255, 0, 200), 6), // 313
            ((255, 0, 1), 6),   // 359.8
        ];
        for ((red, green, blue), expected) in colours {
            assert_eq!(bin(red, green, blue), Some(expected), "{red} {green} {blue}");
        }
    }

    #[test]
    fn grey_and_nearly_grey_have_no_hue() {
        assert_eq!(bin(90, 90, 90), None);
        assert_eq!(bin(100, 90, 85), None);
        assert_eq!(bin(101, 90, 85), Some(0));
    }

    #[test]
    fn every_colour_falls_into_some_bin() {
        let steps = || (0..=255_u8).step_by(5);
        for (red, green) in steps().flat_map(|red| steps().map(move |green| (red, green))) {
            for blue in steps() {
                assert!(bin(red, green, blue).is_none_or(|bin| bin < BINS), "{red} {green} {blue}");
            }
        }
    }

    #[test]
    fn shares_are_of_all_pixels() {
        let red = [255, 255, 0, 70];
        let green = [0, 10, 255, 70];
        let blue = [0, 10, 0, 70];
        assert_eq!(shares([&red, &green, &blue]), [0.5, 0.0, 0.25, 0.0, 0.0, 0.0, 0.0]);
    }
}
