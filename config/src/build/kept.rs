//! References that outlive a power-down: what they need of encoder, drive and travel.

use rt_core::plan::{AxisLimits, HomingPlan, Ratio};
use twin_lite::units::Nano;

use crate::file::axis as file;
use crate::problem::{Problem, Problems};

/// What a drive's 32 bits tell apart, counts.
const DRIVE_COUNTS: u128 = 1 << 32;

/// What is known of an axis whose reference may outlive a power-down.
pub(crate) struct Keeping<'f> {
    pub(crate) section: &'f file::Axis,
    pub(crate) homing: Option<HomingPlan>,
    /// In the identity of its drive.
    pub(crate) serial: Option<u32>,
    /// Counts a unit, wrap, limits; `None`: one of them could not be read.
    pub(crate) scaling: Option<((Ratio, Option<Nano>), AxisLimits)>,
}

/// Counts after which the drive shows the same again, for an axis that keeps its reference: what encoder *and* the 32 bits of the
/// drive have in common, for a drive that stayed on while the loop was away goes on counting through its 32 bits.
#[expect(clippy::option_option, reason = "outer: is it right; inner: does it keep its reference")]
pub(crate) fn keeps(axis: &Keeping<'_>, problems: &mut Problems) -> Option<Option<u64>> {
    let homing = &axis.section.homing;
    let in_file = matches!(axis.homing, Some(HomingPlan::Kept { .. }));
    let asked = homing.keep.as_ref().filter(|keep| keep.value);
    if !in_file && asked.is_none() {
        return Some(None);
    }
    if in_file {
        check_in_file(axis, problems);
    }
    let gear = &axis.section.gear;
    let Some(turns) = &gear.absolute_turns else {
        let at = asked.map_or(&homing.span, |keep| &keep.span);
        problems.push(
            Problem::error("kept-incremental", at, "an incremental encoder loses its place")
                .expected(
                    "`absolute_turns` in `gear`: the turns that an absolute encoder tells apart",
                )
                .found("none: the encoder counts from power-up")
                .remedy("say what the encoder is, for instance 4096; or home after each start"),
        );
        return None;
    };
    let per_turn: u128 = gear.counts_per_revolution.to();
    let counts = common(per_turn * turns.to::<u128>(), DRIVE_COUNTS);
    check_ambiguous(axis, i128::try_from(counts).unwrap_or(i128::MAX), problems);
    Some(u64::try_from(counts).ok())
}

/// An offset is that of one encoder: bring-up must be able to tell that it is still there.
fn check_in_file(axis: &Keeping<'_>, problems: &mut Problems) {
    let homing = &axis.section.homing;
    if axis.serial.is_none() {
        problems.push(
            Problem::error("kept-any-drive", &homing.span, "the offset is kept for any drive")
                .expected("`serial` in the identity of the axis' drive")
                .found("none")
                .remedy(
                    "add the serial number of the drive that was homed; bring-up then checks it",
                ),
        );
    }
    if let Some(keep) = &homing.keep {
        problems.push(
            Problem::error("kept-twice", &keep.span, "two places say where the axis is")
                .expected("either `offset` with method `kept`, or `keep` with another method")
                .found("both")
                .remedy("remove `keep`: this method takes the offset from this file alone"),
        );
    }
}

/// Whoever moves the axis while nobody looks must not bring it to another place that looks the same.
fn check_ambiguous(axis: &Keeping<'_>, counts: i128, problems: &mut Problems) {
    let Some(((ratio, wrap), limits)) = axis.scaling else { return };
    let span = &axis.section.gear.span;
    // In counts × denominator × 10⁹, so that nothing is rounded.
    let range = counts * i128::from(ratio.denominator) * 1_000_000_000;
    let scaled = |length: i128| length * i128::from(ratio.numerator);
    let in_turns = |scaled: i128| {
        let turn = i128::from(ratio.denominator) * 1_000_000_000;
        scaled / turn
    };
    if let Some(wrap) = wrap {
        let turn = scaled(i128::from(wrap.0));
        if turn <= 0 || range % turn != 0 {
            problems.push(
                Problem::error("kept-ambiguous", span, "the place on the turn would be lost")
                    .expected("a range of the encoder that is a whole number of `wrap`")
                    .found(format!("{counts} counts, a wrap of {}", in_turns(turn)))
                    .remedy("choose a wrap that divides the range, or home after each start"),
            );
        }
        return;
    }
    let Some((from, to)) = limits.position else { return };
    let travel = scaled(i128::from(to.0) - i128::from(from.0));
    if range < travel.saturating_mul(2) {
        problems.push(
            Problem::error("kept-ambiguous", span, "the encoder shows two places alike")
                .expected("a range of the encoder of at least twice the way between the soft limits")
                .found(format!(
                    "{counts} counts that encoder and the drive's 32 bits tell apart, {} counts of way",
                    in_turns(travel)
                ))
                .remedy("let the drive scale to fewer counts a turn, or home after each start"),
        );
    }
}

/// Greatest common divisor.
fn common(mut a: u128, mut b: u128) -> u128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_is_what_encoder_and_drive_have_in_common() {
        // 20 bits a turn, 12 bits of turns: exactly the drive's 32.
        assert_eq!(common(1 << 32, DRIVE_COUNTS), 1 << 32);
        // More turns than the drive has bits for; fewer.
        assert_eq!(common(1 << 40, DRIVE_COUNTS), 1 << 32);
        assert_eq!(common(1 << 17, DRIVE_COUNTS), 1 << 17);
        // 10 000 counts a turn, 4096 turns: the drive goes through its 32 bits in the middle of a turn.
        assert_eq!(common(10_000 * 4096, DRIVE_COUNTS), 1 << 16);
    }
}
