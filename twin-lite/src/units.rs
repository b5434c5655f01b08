//! Units, as types.
//!
//! Lengths and angles are *axis units*: millimetres or degrees, as the axis declares. Limits, and everything the gate compares,
//! are integers in [`Nano`]; models and profiles calculate in `f64` axis units and come back through [`Nano::from_units`], the
//! one named rounding function.

/// 10⁻⁹ of the axis unit (mm or deg), or of that per s, s² or s³ as the name of the quantity says.
/// An `i64` spans ±9.2 · 10⁹ mm; the position of an endless axis is kept inside one turn and so never comes near.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Nano(pub i64);

impl Nano {
    /// One axis unit.
    pub const ONE: Self = Self(1_000_000_000);
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The largest value.
    pub const MAX: Self = Self(i64::MAX);

    /// Rounds to the nearest nano-unit, ties away from zero; saturates at the ends; NaN becomes `None`.
    #[must_use]
    #[inline]
    #[expect(
        clippy::as_conversions,
        clippy::cast_possible_truncation,
        reason = "the named rounding function: float to int saturates"
    )]
    pub fn from_units(units: f64) -> Option<Self> {
        if units.is_nan() {
            return None;
        }
        let scaled = units * 1e9;
        let half = if scaled < 0.0 { -0.5 } else { 0.5 };
        Some(Self((scaled + half) as i64))
    }

    /// As axis units; exact to 2⁻⁵³ of the value.
    #[must_use]
    #[inline]
    #[expect(
        clippy::as_conversions,
        clippy::cast_precision_loss,
        reason = "the one way back to floating point"
    )]
    pub fn units(self) -> f64 {
        self.0 as f64 * 1e-9
    }

    /// Absolute value, saturating.
    #[must_use]
    #[inline]
    pub fn magnitude(self) -> Self {
        Self(self.0.saturating_abs())
    }
}

#[cfg(test)]
mod tests {
    use super::Nano;

    #[test]
    fn rounding_is_to_nearest_and_never_wraps() {
        assert_eq!(Nano::from_units(1.000_000_000_4), Some(Nano(1_000_000_000)));
        assert_eq!(Nano::from_units(-1.000_000_000_6), Some(Nano(-1_000_000_001)));
        assert_eq!(Nano::from_units(f64::INFINITY), Some(Nano::MAX));
        assert_eq!(Nano::from_units(f64::NAN), None);
    }
}
