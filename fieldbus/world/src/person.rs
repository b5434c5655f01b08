//! Persons who walk on paths.

use crate::geometry::Point;

/// A place on a path.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Waypoint {
    /// Where, mm.
    pub at: Point,
    /// How long the person stays there, ns.
    pub dwell_ns: u64,
}

/// A person and the path.
#[derive(Clone, Debug, PartialEq)]
pub struct PersonPlan {
    /// In order, at least one. Before the first and after the last the person is not there.
    pub path: Vec<Waypoint>,
    /// mm / s, above 0.
    pub speed_mm_per_s: f64,
    /// How far body and arms reach from the centre, mm, above 0.
    pub radius_mm: f64,
    /// First walk, ns since the start of the world; `None`: only when an event says so.
    pub start_ns: Option<u64>,
    /// From one walk's start to the next; `None`: once. A walk that is still going on is never cut
    /// short.
    pub repeat_ns: Option<u64>,
}

/// Where a person is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PersonState {
    /// Centre, mm.
    pub at: Point,
    /// mm / s.
    pub velocity: Point,
    /// mm.
    pub radius_mm: f64,
}

/// One person.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    plan: PersonPlan,
    next_start: Option<u64>,
    walk: Option<Walk>,
    walks: u64,
}

#[derive(Clone, Copy, Debug)]
struct Walk {
    /// The waypoint that was last reached.
    leg: usize,
    /// Left to stay there, ns.
    dwell: u64,
    /// Gone from there, mm.
    gone: f64,
    state: PersonState,
}

impl Person {
    /// The plan has been checked; `start_ns` is the world's.
    pub(crate) fn new(plan: PersonPlan, start_ns: u64) -> Self {
        let next_start = plan.start_ns.map(|start| start_ns.saturating_add(start));
        Self { plan, next_start, walk: None, walks: 0 }
    }

    pub(crate) fn check(plan: &PersonPlan) -> Result<(), &'static str> {
        let finite = |point: Point| point.x.is_finite() && point.y.is_finite();
        if plan.path.is_empty() || !plan.path.iter().all(|waypoint| finite(waypoint.at)) {
            return Err("path");
        }
        if !(plan.speed_mm_per_s.is_finite() && plan.speed_mm_per_s > 0.0) {
            return Err("speed_mm_per_s");
        }
        if !(plan.radius_mm.is_finite() && plan.radius_mm > 0.0) {
            return Err("radius_mm");
        }
        Ok(())
    }

    /// Starts a walk now, even during one.
    pub(crate) fn start(&mut self) {
        let Some(first) = self.plan.path.first() else { return };
        let state = PersonState {
            at: first.at,
            velocity: Point::default(),
            radius_mm: self.plan.radius_mm,
        };
        self.walk = Some(Walk { leg: 0, dwell: first.dwell_ns, gone: 0.0, state });
        self.walks = self.walks.saturating_add(1);
    }

    /// Where; `None`: not in the cell.
    pub(crate) fn state(&self) -> Option<PersonState> {
        self.walk.map(|walk| walk.state)
    }

    /// Walks begun.
    pub(crate) fn walks(&self) -> u64 {
        self.walks
    }

    /// `step_ns` on, to `now`.
    pub(crate) fn advance(&mut self, now: u64, step_ns: u64) {
        if self.walk.is_none() && self.next_start.is_some_and(|start| now >= start) {
            let (start, repeat) = (self.next_start.unwrap_or(now), self.plan.repeat_ns);
            self.next_start = repeat.filter(|&repeat| repeat > 0).map(|repeat| {
                let missed = now.saturating_sub(start) / repeat;
                start.saturating_add(repeat.saturating_mul(missed.saturating_add(1)))
            });
            self.start();
            return;
        }
        if let Some(walk) = self.walk {
            self.walk = self.moved(walk, step_ns);
        }
    }

    /// `None`: the path has ended.
    fn moved(&self, mut walk: Walk, step_ns: u64) -> Option<Walk> {
        walk.state.velocity = Point::default();
        if walk.dwell > 0 {
            walk.dwell = walk.dwell.saturating_sub(step_ns);
            return Some(walk);
        }
        walk.gone += self.plan.speed_mm_per_s * crate::num::seconds(step_ns);
        // Short legs may end within one step, each at most once.
        for _ in 0..self.plan.path.len() {
            let from = self.plan.path.get(walk.leg)?;
            let to = self.plan.path.get(walk.leg.saturating_add(1))?;
            let (dx, dy) = (to.at.x - from.at.x, to.at.y - from.at.y);
            let length = (dx * dx + dy * dy).sqrt();
            if walk.gone < length {
                let share = walk.gone / length;
                let pace = self.plan.speed_mm_per_s / length;
                walk.state.at = Point::new(from.at.x + dx * share, from.at.y + dy * share);
                walk.state.velocity = Point::new(dx * pace, dy * pace);
                return Some(walk);
            }
            walk.leg = walk.leg.saturating_add(1);
            walk.gone -= length;
            walk.state.at = to.at;
            if to.dwell_ns > 0 {
                walk.dwell = to.dwell_ns;
                walk.gone = 0.0;
                return Some(walk);
            }
        }
        Some(walk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn plan() -> PersonPlan {
        let waypoint = |x, y, dwell_ns| Waypoint { at: Point::new(x, y), dwell_ns };
        PersonPlan {
            path: vec![
                waypoint(0.0, 0.0, 0),
                waypoint(1000.0, 0.0, 500 * MS),
                waypoint(1000.0, 2000.0, 0),
            ],
            speed_mm_per_s: 1000.0,
            radius_mm: 300.0,
            start_ns: Some(100 * MS),
            repeat_ns: Some(6_000 * MS),
        }
    }

    fn at(person: &mut Person, from_ms: u64, to_ms: u64) -> Option<PersonState> {
        for ms in from_ms + 1..=to_ms {
            person.advance(ms * MS, MS);
        }
        person.state()
    }

    #[test]
    fn a_person_walks_the_path_at_speed_dwells_and_leaves() {
        let mut person = Person::new(plan(), 0);
        assert_eq!(at(&mut person, 0, 99), None);
        let walking = at(&mut person, 99, 600).unwrap();
        assert!((walking.at.x - 500.0).abs() < 2.0 && walking.at.y == 0.0);
        assert!((walking.velocity.x - 1000.0).abs() < 1e-9);
        let standing = at(&mut person, 600, 1_400).unwrap();
        assert_eq!((standing.at, standing.velocity.x), (Point::new(1000.0, 0.0), 0.0));
        let last = at(&mut person, 1_400, 3_000).unwrap();
        assert!((last.at.y - 1400.0).abs() < 5.0);
        assert_eq!(at(&mut person, 3_000, 3_700), None);
    }

    #[test]
    fn the_walk_repeats_from_start_to_start() {
        let mut person = Person::new(plan(), 0);
        assert_eq!(at(&mut person, 0, 6_099), None);
        assert!(at(&mut person, 6_099, 6_200).is_some());
        assert_eq!(person.walks(), 2);
        at(&mut person, 6_200, 60_000);
        assert_eq!(person.walks(), 10);
    }

    #[test]
    fn a_person_without_a_start_waits_for_the_event() {
        let mut person = Person::new(PersonPlan { start_ns: None, ..plan() }, 0);
        assert_eq!(at(&mut person, 0, 20_000), None);
        person.start();
        assert!(at(&mut person, 20_000, 20_100).is_some());
    }

    #[test]
    fn corners_do_not_slow_a_person_down() {
        // Given a path of 200 legs of 0.7 mm,
        let along = (0..=200).map(|leg| f64::from(leg) * 0.7);
        let path = along.map(|x| Waypoint { at: Point::new(x, 0.0), dwell_ns: 0 }).collect();
        let mut person = Person::new(PersonPlan { path, repeat_ns: None, ..plan() }, 0);
        let walking = at(&mut person, 0, 200).unwrap();
        assert!((walking.at.x - 100.0).abs() < 0.1, "{}", walking.at.x);
        assert_eq!(at(&mut person, 200, 241), None);
    }

    #[test]
    fn walks_that_were_missed_are_not_made_up_for() {
        let mut person = Person::new(plan(), 0);
        person.advance(56_000 * MS, MS);
        assert_eq!(person.walks(), 1);
        // The one of 54.1 s begins late and takes 3.5 s; the next begins on the grid, at 60.1 s.
        assert_eq!(at(&mut person, 56_000, 59_900), None);
        assert!(at(&mut person, 59_900, 60_110).is_some());
        assert_eq!(person.walks(), 2);
    }
}
