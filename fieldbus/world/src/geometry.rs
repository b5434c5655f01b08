//! Plane geometry in cell coordinates, mm: zones, fields of view, and whether somebody is inside.

/// A place in cell coordinates, mm.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Point {
    /// mm.
    pub x: f64,
    /// mm.
    pub y: f64,
}

impl Point {
    /// A place.
    #[must_use]
    pub const fn new(x: f64, y: f64) -> Self {
        Self { x, y }
    }
}

/// A polygon without crossings, at least three corners; 32 at most.
#[derive(Clone, Debug, PartialEq)]
pub struct Area {
    /// In order, either way round; the last joins the first.
    pub corners: Vec<Point>,
}

impl Area {
    /// An axis-parallel rectangle between two opposite corners.
    #[must_use]
    pub fn rectangle(a: Point, b: Point) -> Self {
        let corners = vec![a, Point::new(b.x, a.y), b, Point::new(a.x, b.y)];
        Self { corners }
    }

    /// Three to 32 finite corners.
    pub(crate) fn is_valid(&self) -> bool {
        (3..=32).contains(&self.corners.len())
            && self.corners.iter().all(|corner| corner.x.is_finite() && corner.y.is_finite())
    }

    fn edges(&self) -> impl Iterator<Item = (Point, Point)> {
        let next = self.corners.iter().skip(1).chain(self.corners.first());
        self.corners.iter().copied().zip(next.copied())
    }

    /// The point is inside.
    #[must_use]
    pub fn contains(&self, point: Point) -> bool {
        let mut inside = false;
        for (a, b) in self.edges() {
            if (a.y > point.y) != (b.y > point.y) {
                let x = a.x + (b.x - a.x) * (point.y - a.y) / (b.y - a.y);
                inside ^= point.x < x;
            }
        }
        inside
    }

    /// A disc around the point touches the area.
    #[must_use]
    pub fn touches(&self, centre: Point, radius: f64) -> bool {
        if self.contains(centre) {
            return true;
        }
        self.edges().any(|(a, b)| distance_squared(centre, a, b) <= radius * radius)
    }

    /// The other area lies wholly inside (exact for convex areas: every corner of it does, edges
    /// included).
    pub(crate) fn covers(&self, other: &Self) -> bool {
        other.corners.iter().all(|&corner| self.touches(corner, 1e-6))
    }
}

fn distance_squared(point: Point, a: Point, b: Point) -> f64 {
    let (dx, dy) = (b.x - a.x, b.y - a.y);
    let length = dx * dx + dy * dy;
    let along = if length > 0.0 {
        (((point.x - a.x) * dx + (point.y - a.y) * dy) / length).clamp(0.0, 1.0)
    } else {
        0.0
    };
    let (ex, ey) = (point.x - a.x - along * dx, point.y - a.y - along * dy);
    ex * ex + ey * ey
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inside_outside_and_touching() {
        let square = Area::rectangle(Point::new(0.0, 0.0), Point::new(1000.0, 1000.0));
        assert!(square.contains(Point::new(500.0, 1.0)));
        assert!(!square.contains(Point::new(1001.0, 500.0)));
        assert!(square.touches(Point::new(1200.0, 500.0), 200.0));
        assert!(!square.touches(Point::new(1201.0, 500.0), 200.0));
        // Across the corner the distance counts, not the box.
        assert!(!square.touches(Point::new(1150.0, 1150.0), 200.0));
        assert!(square.touches(Point::new(1140.0, 1140.0), 200.0));
    }

    #[test]
    fn a_hole_in_an_l_is_outside() {
        let corners = [(0.0, 0.0), (4.0, 0.0), (4.0, 1.0), (1.0, 1.0), (1.0, 4.0), (0.0, 4.0)];
        let area = Area { corners: corners.map(|(x, y)| Point::new(x, y)).to_vec() };
        assert!(area.contains(Point::new(0.5, 3.0)));
        assert!(!area.contains(Point::new(2.0, 2.0)));
        assert!(area.touches(Point::new(2.0, 2.0), 1.0));
    }

    #[test]
    fn a_field_of_view_covers_what_lies_within() {
        let view = Area::rectangle(Point::new(0.0, 0.0), Point::new(10.0, 10.0));
        let inside = Area::rectangle(Point::new(0.0, 2.0), Point::new(5.0, 5.0));
        let across = Area::rectangle(Point::new(5.0, 5.0), Point::new(15.0, 8.0));
        assert!(view.covers(&inside));
        assert!(!view.covers(&across));
    }
}
