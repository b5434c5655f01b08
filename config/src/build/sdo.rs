//! Start-up SDOs that every servo gets, from what the file says of its axis.

use fieldbus::plan::{SdoValue, StartupSdo};
use rt_core::plan::{AxisPlan, Ratio};
use twin_lite::units::Nano;

use super::bus::Devices;
use crate::file::axis::Axis;
use crate::file::bus as file;
use crate::problem::{Problem, Problems, Span};

/// CiA 402: cyclic synchronous position.
const MODE_CSP: i8 = 8;
/// Objects that the file must not set otherwise: Tactus depends on them.
const FIXED: [(u16, u8); 3] = [(0x6060, 0), (0x60C2, 1), (0x60C2, 2)];

/// Adds the SDOs of one drive behind those that the file lists; what the file lists itself is left to it.
pub(crate) fn add(
    position: usize,
    axis: &AxisPlan,
    section: &Axis,
    period_ns: u64,
    devices: &mut Devices<'_>,
    problems: &mut Problems,
) {
    let Some(device) = devices.sections.get(position).copied() else { return };
    let reactions = device.reactions.as_ref();
    let verify_only = reactions.is_some_and(|given| given.verify_only.unwrap_or(false));
    let option = |given: Option<&crate::read::Int<-32_768, 32_767>>, default: i16| {
        SdoValue::I16(given.map_or(default, |given| given.to()))
    };
    let quick = option(reactions.and_then(|given| given.quick_stop.as_ref()), 2);
    let fault = option(reactions.and_then(|given| given.fault.as_ref()), 2);
    let lost = option(reactions.and_then(|given| given.connection_lost.as_ref()), 3);
    let Some((value, exponent)) = interpolation(period_ns) else {
        problems.push(
            Problem::error(
                "period-not-expressible",
                &device.name.span,
                "CSP drives cannot keep the period",
            )
            .expected("a period of at most 255 × a power of ten of 1 s (object 0x60C2)")
            .found(format!("{period_ns} ns"))
            .remedy("choose another period, for instance 125 us, 250 us, 500 us or 1 ms"),
        );
        return;
    };
    let mut wanted = vec![
        (0x6060, 0, SdoValue::I8(MODE_CSP), false),
        (0x60C2, 1, SdoValue::U8(value), false),
        (0x60C2, 2, SdoValue::I8(exponent), false),
        (0x605A, 0, quick, verify_only),
        (0x605E, 0, fault, verify_only),
        (0x6007, 0, lost, verify_only),
        (0x6066, 0, SdoValue::U16(error_time(reactions, problems)), false),
    ];
    if axis.brake.is_some_and(|brake| brake.release.is_none()) {
        // Disable operation: slow down, close the brake, then take the torque.
        wanted.push((0x605C, 0, SdoValue::I16(1), verify_only));
    }
    if let Some(limit) = axis.limits.torque_permille {
        for index in [0x6072, 0x60E0, 0x60E1] {
            wanted.push((index, 0, SdoValue::U16(limit), false));
        }
    }
    let error = section.limits.following_error_drive.as_ref().map_or_else(
        || Nano(axis.limits.following_error.0.saturating_mul(2)),
        |given| Nano(given.nano),
    );
    let quick_stop = axis.stop.quick_stop_deceleration;
    for (index, value, span, what) in [
        (0x6065, error, &section.limits.following_error.span, "the following error"),
        (0x6085, quick_stop, &section.stop.quick_stop.span, "the quick stop"),
    ] {
        let set_by_file = device.startup.iter().any(|sdo| sdo.index.to::<u16>() == index);
        if !set_by_file
            && let Some(counts) = in_counts(value, axis.counts_per_unit, span, what, problems)
        {
            wanted.push((index, 0, SdoValue::U32(counts), false));
        }
    }
    check_fixed(device, &wanted, problems);
    let Some(plan) = devices.plans.get_mut(position) else { return };
    for (index, subindex, value, verify_only) in wanted {
        let listed = plan.startup.iter().any(|sdo| (sdo.index, sdo.subindex) == (index, subindex));
        if !listed {
            plan.startup.push(StartupSdo { index, subindex, value, verify_only });
        }
    }
}

/// 0x60C2: the period as value × 10^exponent s.
fn interpolation(period_ns: u64) -> Option<(u8, i8)> {
    let (mut value, mut exponent) = (period_ns, -9_i8);
    while value > 0 && value.is_multiple_of(10) && exponent < 0 {
        value /= 10;
        exponent += 1;
    }
    u8::try_from(value).ok().filter(|value| *value > 0).map(|value| (value, exponent))
}

fn error_time(reactions: Option<&file::Reactions>, problems: &mut Problems) -> u16 {
    let Some(time) = reactions.and_then(|given| given.following_error_time.as_ref()) else {
        return 10;
    };
    let whole = time.nano % 1_000_000 == 0;
    match u16::try_from(time.nano / 1_000_000) {
        Ok(ms) if whole && ms > 0 => ms,
        _ => {
            problems.push(
                Problem::error("out-of-range", &time.span, "0x6066 counts whole milliseconds")
                    .expected("1 ms to 65535 ms, whole")
                    .found(time.show())
                    .remedy("round it"),
            );
            10
        }
    }
}

/// Rounded to the nearest count.
fn in_counts(
    value: Nano,
    ratio: Ratio,
    span: &Span,
    what: &str,
    problems: &mut Problems,
) -> Option<u32> {
    let divisor = i128::from(ratio.denominator) * 1_000_000_000;
    let counts =
        (i128::from(value.0) * i128::from(ratio.numerator) + divisor / 2).div_euclid(divisor);
    let fits = u32::try_from(counts).ok().filter(|counts| *counts > 0);
    if fits.is_none() {
        problems.push(
            Problem::error("counts-range", span, format!("{what} does not fit the drive's object"))
                .expected("1 to 4294967295 counts (per s²)")
                .found(format!("{counts} counts"))
                .remedy("list the object under [[subdevice.startup]] in the drive's own unit"),
        );
    }
    fits
}

fn check_fixed(
    device: &file::SubDevice,
    wanted: &[(u16, u8, SdoValue, bool)],
    problems: &mut Problems,
) {
    for sdo in &device.startup {
        let place = (sdo.index.to::<u16>(), sdo.subindex.as_ref().map_or(0, |at| at.to::<u8>()));
        let Some(ours) = wanted.iter().find(|ours| (ours.0, ours.1) == place) else { continue };
        if FIXED.contains(&place) && number(ours.2) != sdo.value.to::<i64>() {
            problems.push(
                Problem::error("sdo-conflict", &sdo.value.span, "CSP needs another value here")
                    .expected(format!("0x{:04X}:{} = {}", place.0, place.1, number(ours.2)))
                    .found(sdo.value.to::<i64>().to_string())
                    .remedy("remove this SDO: it is added by itself"),
            );
        }
    }
}

fn number(value: SdoValue) -> i64 {
    match value {
        SdoValue::U8(value) => value.into(),
        SdoValue::U16(value) => value.into(),
        SdoValue::U32(value) => value.into(),
        SdoValue::I8(value) => value.into(),
        SdoValue::I16(value) => value.into(),
        SdoValue::I32(value) => value.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interpolation_period_is_a_byte_and_a_power_of_ten() {
        assert_eq!(interpolation(1_000_000), Some((1, -3)));
        assert_eq!(interpolation(250_000), Some((25, -5)));
        assert_eq!(interpolation(125_000), Some((125, -6)));
        assert_eq!(interpolation(62_500), None);
        assert_eq!(interpolation(100_000_000), Some((1, -1)));
    }

    #[test]
    fn counts_are_rounded_to_the_nearest() {
        let ratio = Ratio { numerator: 10, denominator: 3 };
        let mut problems = Problems::default();
        let counts = in_counts(Nano(1_000_000_000), ratio, &(0..1), "x", &mut problems);
        assert_eq!(counts, Some(3));
        assert_eq!(in_counts(Nano(1), ratio, &(0..1), "x", &mut problems), None);
        assert_eq!(problems.list.len(), 1);
    }
}
