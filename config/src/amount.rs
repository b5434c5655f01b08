//! Quantities outside of a machine file: for what calculates with them, exactly, and writes them back.

use crate::quantity::{self, Dimension, Fault};

/// A quantity as a machine file may write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amount {
    nano: i64,
    dimension: Dimension,
}

impl Amount {
    /// Reads `"4 m/s2"`, exactly as in a machine file.
    ///
    /// # Errors
    /// What is wrong with it, as a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        match quantity::parse(text) {
            Ok(value) => Ok(Self { nano: value.nano, dimension: value.dimension }),
            Err(Fault::NoNumber) => Err(format!("`{text}` does not begin with a number")),
            Err(Fault::NoUnit) => Err(format!("`{text}` has no unit")),
            Err(Fault::UnknownUnit(unit)) => Err(format!("`{unit}` is no unit that is known")),
            Err(Fault::TooFine) => Err(format!("`{text}` has more digits than can be kept")),
            Err(Fault::TooLarge) => Err(format!("`{text}` is too large")),
        }
    }

    /// In 10⁻⁹ of the base unit (times in ns).
    #[must_use]
    pub fn nano(self) -> i64 {
        self.nano
    }

    /// Of the same kind: so many 10⁻⁹ of the base unit.
    #[must_use]
    pub fn with(self, nano: i64) -> Self {
        Self { nano, ..self }
    }

    /// Both measure the same.
    #[must_use]
    pub fn same_kind(self, other: Self) -> bool {
        self.dimension == other.dimension
    }

    /// It is a share, such as `120 %`.
    #[must_use]
    pub fn is_share(self) -> bool {
        self.dimension == Dimension::Share
    }

    /// Times `share`, rounded towards 0 to 10⁻⁹ of the base unit; `None`: `share` is none, or it does not fit.
    #[must_use]
    pub fn times(self, share: Self) -> Option<Self> {
        let product = i128::from(self.nano) * i128::from(share.nano) / 1_000_000_000;
        let nano = share.is_share().then(|| i64::try_from(product).ok()).flatten()?;
        Some(self.with(nano))
    }

    /// As a number of its base unit, for drawing.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "for people and pictures")]
    pub fn number(self) -> f64 {
        match self.dimension {
            Dimension::Time => self.nano as f64 / 1e6,
            Dimension::Share => self.nano as f64 / 1e7,
            _ => self.nano as f64 / 1e9,
        }
    }

    /// The unit that [`number`](Self::number) counts: `mm/s2`, `ms`, `%`.
    #[must_use]
    pub fn unit(self) -> &'static str {
        match self.dimension {
            Dimension::Share => "%",
            other => other.base(),
        }
    }
}

impl core::fmt::Display for Amount {
    /// As a machine file may write it; reads back as the same.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&quantity::show(self.nano, self.dimension))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_a_quantity_is_exact_and_reads_back() {
        let speed = Amount::parse("900 mm/s").unwrap();
        let faster = speed.times(Amount::parse("120%").unwrap()).unwrap();
        assert_eq!(faster.to_string(), "1080 mm/s");
        assert_eq!(Amount::parse(&faster.to_string()), Ok(faster));
        assert_eq!(speed.times(speed), None, "no share");
        assert!(!speed.same_kind(Amount::parse("1 m").unwrap()));
    }

    #[test]
    fn what_is_no_quantity_says_why() {
        for (text, why) in
            [("fast", "begin with a number"), ("12", "no unit"), ("3 furlongs", "no unit that is")]
        {
            let said = Amount::parse(text).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
    }
}
