//! Hues: how much of the picture lies in each seventh of the colour circle.
//!
//! Hue is that of the HSV model: 0 at red, rising over yellow, green, cyan, blue and magenta. The
//! circle is cut into [`BINS`] equal bins of 51.4 degrees, the first from red to orange-yellow.
//! A pixel whose largest and smallest colour differ by less than [`LEAST_CHROMA`] is grey: it has
//! no hue worth the name and counts in no bin, but does count in the whole that shares are of.

/// Bins that the colour circle is cut into.
pub(super) const BINS: usize = 7;

/// The least difference of largest and smallest colour, of 255, that makes a hue.
const LEAST_CHROMA: i16 = 16;

/// Pixels that are counted together: as many as the narrow counters can hold.
const BLOCK: usize = 1 << 15;

/// Shares of all pixels whose hue lies in each bin; the rest up to 1 is grey.
pub(super) fn shares([red, green, blue]: [&[u8]; 3]) -> [f32; BINS] {
    let mut counts = [0_u32; BINS];
    let planes = red.chunks(BLOCK).zip(green.chunks(BLOCK)).zip(blue.chunks(BLOCK));
    for ((red, green), blue) in planes {
        let reaching = count_reaching(red, green, blue);
        for (bin, count) in counts.iter_mut().enumerate() {
            let beyond = reaching.get(bin + 1).copied().unwrap_or(0);
            *count += u32::from(reaching[bin] - beyond);
        }
    }
    let all = red.len().max(1) as f32;
    counts.map(|count| count as f32 / all)
}

/// How many colours have a hue in each bin or beyond it.
///
/// Comparing with all bounds takes neither a division nor a branch, so that the compiler can do it
/// for several pixels at a time.
fn count_reaching(red: &[u8], green: &[u8], blue: &[u8]) -> [u16; BINS] {
    let mut counts = [0; BINS];
    for ((&red, &green), &blue) in red.iter().zip(green).zip(blue) {
        let (hue, chroma) = hue_and_chroma(red, green, blue);
        for (bin, count) in counts.iter_mut().enumerate() {
            let reached = BINS as i16 * hue >= 6 * bin as i16 * chroma;
            *count += u16::from(reached & (chroma >= LEAST_CHROMA));
        }
    }
    counts
}

/// The hue in sixths of the circle times the chroma (0 to just below 6 times it), and the chroma.
fn hue_and_chroma(red: u8, green: u8, blue: u8) -> (i16, i16) {
    let [red, green, blue] = [red, green, blue].map(i16::from);
    let largest = red.max(green).max(blue);
    let chroma = largest - red.min(green).min(blue);
    let around_red = if green >= blue { green - blue } else { 6 * chroma + green - blue };
    let around_green = 2 * chroma + blue - red;
    let around_blue = 4 * chroma + red - green;
    let otherwise = if largest == green { around_green } else { around_blue };
    (if largest == red { around_red } else { otherwise }, chroma)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bin that a colour's hue lies in; `None` for grey.
    fn bin(red: u8, green: u8, blue: u8) -> Option<usize> {
        let reached = count_reaching(&[red], &[green], &[blue]);
        reached.iter().sum::<u16>().checked_sub(1).map(usize::from)
    }

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
    fn every_colour_lies_where_its_hue_says() {
        let steps = || (0..=255_u8).step_by(15);
        for (red, green) in steps().flat_map(|red| steps().map(move |green| (red, green))) {
            for blue in steps().filter(|blue| red.abs_diff(*blue) >= 16) {
                let (hue, chroma) = hue_and_chroma(red, green, blue);
                let turns = f64::from(hue) / (6.0 * f64::from(chroma));
                assert!((0.0..1.0).contains(&turns), "{red} {green} {blue}: {turns}");
                let expected = (turns * BINS as f64 + 1e-9) as usize;
                assert_eq!(bin(red, green, blue), Some(expected), "{red} {green} {blue}");
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

    #[test]
    fn pictures_of_more_than_one_block_are_counted_whole() {
        let half: Vec<u8> = (0..4 * BLOCK + 2).map(|at| 255 * (at % 2) as u8).collect();
        let none = vec![0; half.len()];
        assert_eq!(shares([&none, &half, &none])[2], 0.5);
    }
}
