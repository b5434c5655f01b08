//! How long until something is reached: a soft limit, a zone.
//!
//! With the velocity and acceleration of now, `room = v·t + a·t² ÷ 2`; the first positive root, written so that nothing cancels:
//! `t = 2·room ÷ (v + √(v² + 2·a·room))`. A prediction of where the axis is going, not of where it is sent: it knows no target.

use crate::math;

/// From now until `room` (axis units, ≥ 0) is used up at `velocity` towards it and `acceleration` towards it, s; `None`: never, or it
/// cannot be calculated.
#[must_use]
pub fn time_to(room: f64, velocity: f64, acceleration: f64) -> Option<f64> {
    if !(room.is_finite() && velocity.is_finite() && acceleration.is_finite()) {
        return None;
    }
    if room <= 0.0 {
        return Some(0.0);
    }
    let square = velocity * velocity + 2.0 * acceleration * room;
    if square < 0.0 {
        return None;
    }
    let sum = velocity + math::sqrt(square);
    let time = 2.0 * room / sum;
    (sum > 0.0 && time.is_finite()).then_some(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_when_the_room_is_used_up() {
        for (room, velocity, acceleration) in
            [(100.0, 50.0, 0.0), (100.0, 50.0, 20.0), (100.0, 50.0, -12.0), (100.0, -50.0, 300.0)]
        {
            let t = time_to(room, velocity, acceleration).unwrap();
            assert!(t > 0.0);
            assert!((velocity * t + 0.5 * acceleration * t * t - room).abs() < 1e-9, "{t}");
        }
    }

    #[test]
    fn what_turns_back_or_stands_never_arrives() {
        assert_eq!(time_to(100.0, 50.0, -13.0), None, "it turns after 96");
        assert_eq!(time_to(100.0, 0.0, 0.0), None);
        assert_eq!(time_to(100.0, -1.0, 0.0), None);
        assert_eq!(time_to(0.0, -1.0, 0.0), Some(0.0), "it is there");
        for bad in [f64::NAN, f64::INFINITY] {
            assert_eq!(time_to(bad, 1.0, 0.0), None);
            assert_eq!(time_to(1.0, bad, 0.0), None);
            assert_eq!(time_to(1.0, 1.0, bad), None);
        }
    }
}
