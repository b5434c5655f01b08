//! Keys that take a quantity: which units they take, and what is said of those that they do not.

use std::borrow::Cow;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use toml::de::DeValue;

use crate::problem::{Problem, Problems, Span, did_you_mean};
use crate::quantity::{self, Dimension, Fault, Value};
use crate::read::{FromToml, Node, wrong_type};

/// A kind of quantity: which units it takes.
pub(crate) trait Kind {
    const NOUN: &'static str;
    const DIMENSIONS: &'static [Dimension];
    const EXAMPLE: &'static str;
}

/// A quantity of kind `K`.
#[derive(Debug)]
pub(crate) struct Quantity<K> {
    /// 10⁻⁹ of the base unit; times: ns.
    pub(crate) nano: i64,
    pub(crate) dimension: Dimension,
    pub(crate) span: Span,
    kind: PhantomData<K>,
}

impl<K> Clone for Quantity<K> {
    fn clone(&self) -> Self {
        Self { span: self.span.clone(), ..*self }
    }
}

impl<K> Quantity<K> {
    pub(crate) fn from_value(value: Value, span: &Span) -> Self {
        let Value { nano, dimension } = value;
        Self { nano, dimension, span: span.clone(), kind: PhantomData }
    }

    /// As written by preference.
    pub(crate) fn show(&self) -> String {
        quantity::show(self.nano, self.dimension)
    }

    /// In base units. Exact to 2⁻⁵³.
    pub(crate) fn units(&self) -> f64 {
        twin_lite::units::Nano(self.nano).units()
    }
}

impl<K: Kind> FromToml for Quantity<K> {
    fn read(node: &Node<'_>, problems: &mut Problems) -> Option<Self> {
        let expected = format!(
            "{} with its unit ({}), for instance \"{}\"",
            K::NOUN,
            quantity::symbols(K::DIMENSIONS).join(", "),
            K::EXAMPLE
        );
        let text = match node.get_ref() {
            DeValue::String(text) => text,
            DeValue::Integer(_) | DeValue::Float(_) => {
                problems.push(bare_number(node, &expected, K::DIMENSIONS));
                return None;
            }
            _ => {
                problems.push(wrong_type(node, &expected, "number and unit in quotes"));
                return None;
            }
        };
        match quantity::parse(text) {
            Ok(Value { nano, dimension }) if K::DIMENSIONS.contains(&dimension) => {
                Some(Self { nano, dimension, span: node.span(), kind: PhantomData })
            }
            Ok(value) => {
                let problem = not_a(node, text, K::NOUN, &expected);
                problems.push(problem.found(format!("a unit of {:?}", value.dimension)));
                None
            }
            Err(fault) => {
                let problem = not_a(node, text, K::NOUN, &expected);
                problems.push(explain(problem, &fault, K::DIMENSIONS));
                None
            }
        }
    }
}

impl<K: Kind> JsonSchema for Quantity<K> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        K::NOUN.into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let units: Vec<String> = quantity::symbols(K::DIMENSIONS)
            .iter()
            .map(|symbol| symbol.replace('2', "[2²]").replace('3', "[3³]"))
            .collect();
        json_schema!({
            "type": "string",
            "pattern": format!("^[+-]?[0-9_]+(\\.[0-9_]+)? *({}|µs|µm|°)$", units.join("|")),
            "examples": [K::EXAMPLE],
        })
    }
}

fn bare_number(node: &Node<'_>, expected: &str, dimensions: &[Dimension]) -> Problem {
    let number = match node.get_ref() {
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        _ => String::new(),
    };
    let unit = dimensions.first().map_or("", |dimension| dimension.base());
    Problem::error("bare-number", &node.span(), format!("{number} has no unit"))
        .expected(expected)
        .found(format!("the bare number {number}"))
        .remedy(format!("say the unit, in quotes: \"{number} {unit}\", if that is what it means"))
}

fn not_a(node: &Node<'_>, text: &str, noun: &str, expected: &str) -> Problem {
    Problem::error("bad-quantity", &node.span(), format!("\"{text}\" is not {noun}"))
        .expected(expected)
        .found(format!("\"{text}\""))
        .remedy("write a number, a space and one of these units")
}

fn explain(problem: Problem, fault: &Fault, dimensions: &[Dimension]) -> Problem {
    match fault {
        Fault::NoNumber => problem.found("no number at the start"),
        Fault::NoUnit => problem.found("a number without a unit"),
        Fault::UnknownUnit(unit) => {
            let near = did_you_mean(unit, quantity::symbols(dimensions));
            let problem = problem.found(format!("the unit `{unit}`"));
            match near {
                Some(near) => problem.remedy(format!("did you mean `{near}`?")),
                None => problem,
            }
        }
        Fault::TooFine => problem
            .found("a value that cannot be kept exactly")
            .remedy("quantities are kept as whole 10⁻⁹ of the unit (times: ns): round it"),
        Fault::TooLarge => problem.found("a value too large to be kept"),
    }
}

/// Declares kinds of quantities.
macro_rules! kinds {
    ($( $name:ident: $noun:literal, $example:literal, [$($dimension:ident),*]; )*) => {$(
        #[derive(Debug)]
        pub(crate) struct $name;
        impl Kind for $name {
            const NOUN: &'static str = $noun;
            const DIMENSIONS: &'static [Dimension] = &[$(Dimension::$dimension),*];
            const EXAMPLE: &'static str = $example;
        }
    )*};
}

kinds! {
    TimeKind: "a time", "1 ms", [Time];
    LengthKind: "a length", "1200 mm", [Length];
    PositionKind: "a position or distance", "400 mm", [Length, Angle];
    SpeedKind: "a speed", "250 mm/s", [LinearSpeed, AngularSpeed];
    WalkKind: "a speed", "1.6 m/s", [LinearSpeed];
    AccelerationKind: "an acceleration", "2 m/s2", [LinearAcceleration, AngularAcceleration];
    JerkKind: "a jerk", "40 m/s3", [LinearJerk, AngularJerk];
    MassKind: "a mass", "0.8 kg", [Mass];
    InertiaKind: "a moment of inertia", "1.2 kg cm2", [Inertia];
    TorqueKind: "a torque", "2.4 N m", [Torque];
    ViscousKind: "a viscous friction", "0.6 mN m s/rad", [Viscous];
    StiffnessKind: "a torsional stiffness", "900 N m/rad", [Stiffness];
    ShareKind: "a share", "5 %", [Share];
}

pub(crate) type Time = Quantity<TimeKind>;
pub(crate) type Length = Quantity<LengthKind>;
pub(crate) type Position = Quantity<PositionKind>;
pub(crate) type Speed = Quantity<SpeedKind>;
pub(crate) type Walk = Quantity<WalkKind>;
pub(crate) type Acceleration = Quantity<AccelerationKind>;
pub(crate) type Jerk = Quantity<JerkKind>;
pub(crate) type Mass = Quantity<MassKind>;
pub(crate) type Inertia = Quantity<InertiaKind>;
pub(crate) type Torque = Quantity<TorqueKind>;
pub(crate) type Viscous = Quantity<ViscousKind>;
pub(crate) type Stiffness = Quantity<StiffnessKind>;
pub(crate) type Share = Quantity<ShareKind>;
