//! Puts names beside points so that they cover neither each other nor the points.
//!
//! Greedy: each label in turn takes the cheapest of the places on rings around its point. To cover a
//! mark or another label is dear, to cover a thin line is not, and distance has its price too.

/// A rectangle in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Area {
    /// Left.
    pub x: i32,
    /// Top.
    pub y: i32,
    /// How wide.
    pub width: i32,
    /// How high.
    pub height: i32,
}

impl Area {
    /// A square around a point.
    pub fn around(point: (i32, i32), radius: i32) -> Self {
        let (x, y) = (point.0 - radius, point.1 - radius);
        Self { x, y, width: 2 * radius, height: 2 * radius }
    }

    /// Small squares that cover the line between two points.
    pub fn along(from: (i32, i32), to: (i32, i32)) -> impl Iterator<Item = Self> {
        const STEP: i32 = 4;
        let (across, down) = (to.0 - from.0, to.1 - from.1);
        let steps = (across.abs().max(down.abs()) / STEP).max(1);
        let at = move |step: i32| (from.0 + across * step / steps, from.1 + down * step / steps);
        (0..=steps).map(move |step| Self::around(at(step), STEP / 2))
    }

    fn shared(&self, other: &Self) -> i64 {
        let across = (self.x + self.width).min(other.x + other.width) - self.x.max(other.x);
        let down = (self.y + self.height).min(other.y + other.height) - self.y.max(other.y);
        i64::from(across.max(0)) * i64::from(down.max(0))
    }

    fn size(&self) -> i64 {
        i64::from(self.width) * i64::from(self.height)
    }

    /// The point of the area that is nearest to another.
    pub fn nearest_to(&self, point: (i32, i32)) -> (i32, i32) {
        let x = point.0.clamp(self.x, self.x + self.width);
        (x, point.1.clamp(self.y, self.y + self.height))
    }
}

/// How far from its point a label may be, nearest first.
const RINGS: [i32; 5] = [7, 16, 28, 44, 64];

/// What a pixel costs of a mark, a label or the outside, of a line, and of distance.
const SOLID: i64 = 8;
const LINE: i64 = 1;
const AWAY: i64 = 4;

/// The places that are taken.
pub struct Labels {
    within: Area,
    solid: Vec<Area>,
    lines: Vec<Area>,
}

impl Labels {
    /// Labels stay within the area, off the marks, and off the lines if they can.
    pub fn new(within: Area, marks: Vec<Area>, lines: Vec<Area>) -> Self {
        Self { within, solid: marks, lines }
    }

    /// Takes a place of the size for the label of a point.
    pub fn place(&mut self, point: (i32, i32), size: (i32, i32)) -> Area {
        let on = |ring: &i32| places(point, size, *ring).map(|place| (place, *ring));
        let all = RINGS.iter().flat_map(on);
        let best = all.min_by_key(|(place, ring)| self.price(place) + AWAY * i64::from(*ring));
        let place = best.map_or(Area::around(point, 0), |(place, _)| place);
        self.solid.push(place);
        place
    }

    fn price(&self, place: &Area) -> i64 {
        let covered = |taken: &[Area]| taken.iter().map(|area| area.shared(place)).sum::<i64>();
        let outside = place.size() - place.shared(&self.within);
        SOLID * (covered(&self.solid) + outside) + LINE * covered(&self.lines)
    }
}

/// Right, left, above, below, and the corners.
fn places(point: (i32, i32), (width, height): (i32, i32), ring: i32) -> [Area; 8] {
    let (x, y) = point;
    let (right, left) = (x + ring, x - ring - width);
    let (above, below) = (y - ring - height, y + ring);
    let (middle, centre) = (y - height / 2, x - width / 2);
    let corners = [(right, above), (right, below), (left, above), (left, below)];
    let sides = [(right, middle), (left, middle), (centre, above), (centre, below)];
    let all = [sides, corners].concat();
    std::array::from_fn(|place| Area { x: all[place].0, y: all[place].1, width, height })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WITHIN: Area = Area { x: 0, y: 0, width: 400, height: 300 };
    const SIZE: (i32, i32) = (60, 14);

    #[test]
    fn the_first_label_is_right_of_its_point() {
        let place = Labels::new(WITHIN, Vec::new(), Vec::new()).place((100, 100), SIZE);
        assert_eq!(place, Area { x: 107, y: 93, width: 60, height: 14 });
    }

    #[test]
    fn labels_of_one_point_do_not_cover_each_other() {
        let mut labels = Labels::new(WITHIN, vec![Area::around((200, 150), 5)], Vec::new());
        let places: Vec<Area> = (0..12).map(|_| labels.place((200, 150), SIZE)).collect();
        for (number, place) in places.iter().enumerate() {
            assert!(places[..number].iter().all(|other| other.shared(place) == 0), "{places:?}");
        }
    }

    #[test]
    fn a_label_stays_in_the_drawing() {
        let place = Labels::new(WITHIN, Vec::new(), Vec::new()).place((395, 150), SIZE);
        assert_eq!(place.shared(&WITHIN), place.size(), "{place:?}");
    }

    #[test]
    fn a_label_stays_off_a_line() {
        let line: Vec<Area> = Area::along((50, 150), (350, 150)).collect();
        let place = Labels::new(WITHIN, Vec::new(), line.clone()).place((100, 150), SIZE);
        assert!(line.iter().all(|part| part.shared(&place) == 0), "{place:?}");
        assert_eq!(place, Area { x: 70, y: 129, width: 60, height: 14 }, "above");
    }

    #[test]
    fn the_nearest_point_of_an_area() {
        assert_eq!(WITHIN.nearest_to((500, 20)), (400, 20));
        assert_eq!(WITHIN.nearest_to((50, 20)), (50, 20));
    }
}
