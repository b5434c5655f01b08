//! Quantities: a number and its unit in one string, read exactly into integers.
//!
//! Every unit has a base (mm, deg, ns, kg, N m …). A value is kept as an integer number of 10⁻⁹ of its base (times: of ns), so that
//! `"0.1 mm"` is exactly 100 000 000 and what cannot be kept exactly is refused rather than rounded.

use crate::machine::AxisUnit;

/// What a unit measures. Lengths and angles are kept apart: an axis has one or the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dimension {
    Time,
    Length,
    Angle,
    LinearSpeed,
    AngularSpeed,
    LinearAcceleration,
    AngularAcceleration,
    LinearJerk,
    AngularJerk,
    Mass,
    Inertia,
    Torque,
    Viscous,
    Stiffness,
    Share,
}

impl Dimension {
    /// The axis unit that it goes with.
    pub(crate) fn axis_unit(self) -> Option<AxisUnit> {
        match self {
            Self::Length | Self::LinearSpeed | Self::LinearAcceleration | Self::LinearJerk => {
                Some(AxisUnit::Millimetre)
            }
            Self::Angle | Self::AngularSpeed | Self::AngularAcceleration | Self::AngularJerk => {
                Some(AxisUnit::Degree)
            }
            _ => None,
        }
    }

    /// The unit in which its values are written by preference.
    pub(crate) fn base(self) -> &'static str {
        UNITS.iter().find(|unit| unit.dimension == self && unit.base).map_or("", |unit| unit.symbol)
    }
}

struct Unit {
    symbol: &'static str,
    dimension: Dimension,
    numerator: i128,
    denominator: i128,
    base: bool,
}

const fn unit(
    symbol: &'static str,
    dimension: Dimension,
    numerator: i128,
    denominator: i128,
) -> Unit {
    Unit { symbol, dimension, numerator, denominator, base: false }
}

const fn base(symbol: &'static str, dimension: Dimension) -> Unit {
    Unit { symbol, dimension, numerator: 1_000_000_000, denominator: 1, base: true }
}

const NANO: i128 = 1_000_000_000;

/// Values are numerator ÷ denominator × the number, in 10⁻⁹ of the base (times in ns).
const UNITS: &[Unit] = &[
    Unit {
        symbol: "ms",
        dimension: Dimension::Time,
        numerator: 1_000_000,
        denominator: 1,
        base: true,
    },
    unit("s", Dimension::Time, NANO, 1),
    unit("us", Dimension::Time, 1_000, 1),
    unit("µs", Dimension::Time, 1_000, 1),
    unit("ns", Dimension::Time, 1, 1),
    unit("min", Dimension::Time, 60 * NANO, 1),
    unit("h", Dimension::Time, 3_600 * NANO, 1),
    base("mm", Dimension::Length),
    unit("m", Dimension::Length, 1_000 * NANO, 1),
    unit("cm", Dimension::Length, 10 * NANO, 1),
    unit("um", Dimension::Length, NANO / 1_000, 1),
    unit("µm", Dimension::Length, NANO / 1_000, 1),
    base("deg", Dimension::Angle),
    unit("°", Dimension::Angle, NANO, 1),
    unit("turn", Dimension::Angle, 360 * NANO, 1),
    unit("turns", Dimension::Angle, 360 * NANO, 1),
    base("mm/s", Dimension::LinearSpeed),
    unit("m/s", Dimension::LinearSpeed, 1_000 * NANO, 1),
    unit("m/min", Dimension::LinearSpeed, 1_000 * NANO, 60),
    unit("mm/min", Dimension::LinearSpeed, NANO, 60),
    base("deg/s", Dimension::AngularSpeed),
    unit("rpm", Dimension::AngularSpeed, 6 * NANO, 1),
    base("mm/s2", Dimension::LinearAcceleration),
    unit("m/s2", Dimension::LinearAcceleration, 1_000 * NANO, 1),
    base("deg/s2", Dimension::AngularAcceleration),
    base("mm/s3", Dimension::LinearJerk),
    unit("m/s3", Dimension::LinearJerk, 1_000 * NANO, 1),
    base("deg/s3", Dimension::AngularJerk),
    base("kg", Dimension::Mass),
    unit("g", Dimension::Mass, NANO / 1_000, 1),
    base("kg m2", Dimension::Inertia),
    unit("kg cm2", Dimension::Inertia, NANO / 10_000, 1),
    base("N m", Dimension::Torque),
    unit("Nm", Dimension::Torque, NANO, 1),
    unit("mN m", Dimension::Torque, NANO / 1_000, 1),
    base("N m s/rad", Dimension::Viscous),
    unit("mN m s/rad", Dimension::Viscous, NANO / 1_000, 1),
    base("N m/rad", Dimension::Stiffness),
    Unit {
        symbol: "%",
        dimension: Dimension::Share,
        numerator: NANO,
        denominator: 100,
        base: true,
    },
];

/// Why a text is not a quantity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// No number at the start.
    NoNumber,
    /// A number without a unit.
    NoUnit,
    /// A unit that nobody knows.
    UnknownUnit(String),
    /// More digits than can be kept.
    TooFine,
    /// Beyond what fits.
    TooLarge,
}

/// A number and what it measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Value {
    /// 10⁻⁹ of the base unit; times: ns.
    pub(crate) nano: i64,
    pub(crate) dimension: Dimension,
}

/// All symbols of a dimension, for messages.
pub(crate) fn symbols(dimensions: &[Dimension]) -> Vec<&'static str> {
    UNITS
        .iter()
        .filter(|unit| dimensions.contains(&unit.dimension) && unit.symbol.is_ascii())
        .map(|unit| unit.symbol)
        .collect()
}

/// Reads `"250 mm/s"`, `"-1.5 deg"`, `"0.8kg"`.
pub(crate) fn parse(text: &str) -> Result<Value, Fault> {
    let text = text.trim().replace('_', "").replace('\u{3bc}', "µ");
    let end = text
        .char_indices()
        .find(|(at, c)| !(c.is_ascii_digit() || *c == '.' || (*at == 0 && matches!(c, '-' | '+'))))
        .map_or(text.len(), |(at, _)| at);
    let (number, symbol) = text.split_at(end);
    let (digits, decimals) = decimal(number)?;
    let symbol = symbol.trim().replace('²', "2").replace('³', "3").replace('^', "");
    if symbol.is_empty() {
        return Err(Fault::NoUnit);
    }
    let unit = UNITS.iter().find(|unit| unit.symbol == symbol).ok_or(Fault::UnknownUnit(symbol))?;
    let scaled = digits.checked_mul(unit.numerator).ok_or(Fault::TooLarge)?;
    let divisor = 10_i128
        .checked_pow(decimals)
        .and_then(|power| power.checked_mul(unit.denominator))
        .ok_or(Fault::TooFine)?;
    if scaled % divisor != 0 {
        return Err(Fault::TooFine);
    }
    let nano = i64::try_from(scaled / divisor).map_err(|_| Fault::TooLarge)?;
    Ok(Value { nano, dimension: unit.dimension })
}

/// Digits without the point, and how many stood behind it.
fn decimal(number: &str) -> Result<(i128, u32), Fault> {
    let (negative, number) = match number.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, number.strip_prefix('+').unwrap_or(number)),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let fraction = fraction.trim_end_matches('0');
    if whole.is_empty() || !whole.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(Fault::NoNumber);
    }
    let mut digits: i128 = 0;
    for c in whole.chars().chain(fraction.chars()) {
        let digit = c.to_digit(10).ok_or(Fault::NoNumber)?;
        digits = digits
            .checked_mul(10)
            .and_then(|digits| digits.checked_add(i128::from(digit)))
            .filter(|digits| *digits < 1 << 80)
            .ok_or(Fault::TooLarge)?;
    }
    let decimals = u32::try_from(fraction.len()).map_err(|_| Fault::TooFine)?;
    Ok((if negative { -digits } else { digits }, decimals))
}

/// Writes a value of `dimension` in its base unit, without superfluous digits.
pub(crate) fn show(nano: i64, dimension: Dimension) -> String {
    let (scale, symbol) = match dimension {
        Dimension::Time if nano.unsigned_abs() >= 1_000_000_000 => (1_000_000_000_u64, "s"),
        Dimension::Time if nano.unsigned_abs() < 1_000_000 => (1_000, "us"),
        Dimension::Time => (1_000_000, "ms"),
        Dimension::Share => (10_000_000, "%"),
        _ => (1_000_000_000, dimension.base()),
    };
    let sign = if nano < 0 { "-" } else { "" };
    let whole = nano.unsigned_abs() / scale;
    let rest = nano.unsigned_abs() % scale;
    let width = usize::try_from(scale.ilog10()).unwrap_or(0);
    let fraction = format!("{rest:0width$}");
    match fraction.trim_end_matches('0') {
        "" => format!("{sign}{whole} {symbol}"),
        fraction => format!("{sign}{whole}.{fraction} {symbol}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nano(text: &str) -> Result<i64, Fault> {
        parse(text).map(|value| value.nano)
    }

    #[test]
    fn decimals_are_exact_where_floating_point_is_not() {
        assert_eq!(nano("0.1 mm"), Ok(100_000_000));
        assert_eq!(nano("1.000000001 mm"), Ok(1_000_000_001));
        assert_eq!(nano("-250 mm/s"), Ok(-250_000_000_000));
        assert_eq!(nano("62.5 us"), Ok(62_500));
        assert_eq!(nano("2 m/s²"), Ok(2_000_000_000_000));
        assert_eq!(nano("60 m/min"), Ok(1_000_000_000_000));
        assert_eq!(nano("3000 rpm"), Ok(18_000_000_000_000));
        assert_eq!(nano("1_200mm"), Ok(1_200_000_000_000));
        assert_eq!(nano("1.2 kg cm2"), Ok(120_000));
        assert_eq!(nano("5 %"), Ok(50_000_000));
    }

    #[test]
    fn what_cannot_be_kept_exactly_is_refused() {
        assert_eq!(nano("0.5 ns"), Err(Fault::TooFine));
        assert_eq!(nano("1 m/min"), Err(Fault::TooFine));
        assert_eq!(nano("1e3 mm"), Err(Fault::UnknownUnit("e3 mm".to_owned())));
        assert_eq!(nano("99999999999999 m"), Err(Fault::TooLarge));
        assert_eq!(nano("12"), Err(Fault::NoUnit));
        assert_eq!(nano("fast"), Err(Fault::NoNumber));
        assert_eq!(nano("1..2 mm"), Err(Fault::NoNumber));
    }

    #[test]
    fn what_is_shown_reads_back_as_the_same_value() {
        for text in ["0.1 mm", "-12.5 deg", "62.5 us", "1 ms", "25 s", "5 %", "0.00012 kg m2"] {
            let value = parse(text).unwrap();
            assert_eq!(parse(&show(value.nano, value.dimension)), Ok(value), "{text}");
        }
    }
}
