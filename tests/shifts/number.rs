//! Between whole numbers and others.

/// To the nearest whole number; below 0 is 0.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "float to integer saturates"
)]
pub(crate) fn whole(value: f64) -> u64 {
    (value + 0.5) as u64
}

/// As many as are exact.
#[expect(clippy::cast_precision_loss, reason = "below 2⁵³ nothing is lost")]
pub(crate) fn real(value: u64) -> f64 {
    value as f64
}
