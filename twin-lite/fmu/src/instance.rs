//! One twin and its variables, in safe code.

use twin_lite::{AxisModel, AxisTwin};

/// Name of the library in the FMU.
pub const MODEL_IDENTIFIER: &str = "tactus_axis_twin";
/// What library and description must agree on.
const TOKEN: &str = "{tactus-axis-twin-1}";

/// Instantiation token of this version of the variables.
#[must_use]
pub fn token() -> &'static str {
    TOKEN
}

/// Who sets a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Causality {
    /// The caller, before initialisation.
    Parameter,
    /// The caller, before each step.
    Input,
    /// The twin.
    Output,
    /// Time.
    Independent,
}

/// One variable; its place in [`variables`] is its value reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Name in the FMU.
    pub name: &'static str,
    /// Who sets it.
    pub causality: Causality,
    /// What it is, with its unit.
    pub description: &'static str,
}

const fn is(name: &'static str, causality: Causality, description: &'static str) -> Variable {
    Variable { name, causality, description }
}

const VARIABLES: [Variable; COUNT] = [
    is("time", Causality::Independent, "s"),
    is("measured_position", Causality::Input, "position as the encoder says, axis units"),
    is("torque_permille", Causality::Input, "torque as the drive says, per mille of rated torque"),
    is("position", Causality::Output, "estimated position, axis units"),
    is("velocity", Causality::Output, "estimated velocity, axis units / s"),
    is("disturbance", Causality::Output, "torque that the model does not explain, N m"),
    is("innovation", Causality::Output, "measured - predicted position, axis units"),
    is("stopping_distance", Causality::Output, "from here to rest at `deceleration`, axis units"),
    is("deceleration", Causality::Parameter, "of a stop, axis units / s2"),
    is("period", Causality::Parameter, "of the cycle, s"),
    is("units_per_radian", Causality::Parameter, "axis units a motor radian moves"),
    is("inertia", Causality::Parameter, "motor and load at the motor shaft, kg m2"),
    is("rated_torque", Causality::Parameter, "N m"),
    is("peak_torque", Causality::Parameter, "N m"),
    is("viscous", Causality::Parameter, "viscous friction, N m s / rad"),
    is("coulomb", Causality::Parameter, "Coulomb friction, N m"),
    is("gravity", Causality::Parameter, "constant load at the motor shaft, N m"),
    is("response", Causality::Parameter, "from a set-point until the axis follows, s"),
    is("margin", Causality::Parameter, "added to every stopping distance, axis units"),
];
const COUNT: usize = 19;
const FIRST_PARAMETER: usize = 8;

/// Every variable, by value reference.
#[must_use]
pub fn variables() -> &'static [Variable] {
    &VARIABLES
}

/// A twin that is stepped from outside.
#[derive(Clone, Debug)]
pub struct Instance {
    values: [f64; COUNT],
    started: [f64; COUNT],
    twin: Option<AxisTwin>,
}

fn nanoseconds(seconds: f64) -> u64 {
    twin_lite::Nano::from_units(seconds).and_then(|ns| u64::try_from(ns.0).ok()).unwrap_or(0)
}

impl Instance {
    /// With the values of the parameters, in the order of [`variables`] from `deceleration` on; `None`: not as many as there are, or one
    /// is no finite number.
    #[must_use]
    pub fn new(parameters: &[f64]) -> Option<Self> {
        let mut values = [0.0; COUNT];
        let place = values.get_mut(FIRST_PARAMETER..)?;
        if place.len() != parameters.len() || !parameters.iter().all(|value| value.is_finite()) {
            return None;
        }
        place.copy_from_slice(parameters);
        Some(Self { values, started: values, twin: None })
    }

    /// The value of a variable.
    #[must_use]
    pub fn get(&self, reference: usize) -> Option<f64> {
        self.values.get(reference).copied()
    }

    /// Sets an input, or a parameter before [`initialise`](Self::initialise); false: it cannot be set (now), or is no finite number.
    pub fn set(&mut self, reference: usize, value: f64) -> bool {
        let settable = match VARIABLES.get(reference).map(|variable| variable.causality) {
            Some(Causality::Input) => true,
            Some(Causality::Parameter) => self.twin.is_none(),
            Some(Causality::Output | Causality::Independent) | None => false,
        };
        match self.values.get_mut(reference).filter(|_| settable && value.is_finite()) {
            Some(place) => {
                *place = value;
                true
            }
            None => false,
        }
    }

    /// Builds the twin from the parameters, at `time`.
    pub fn initialise(&mut self, time: f64) {
        let [_, _, _, _, _, _, _, _, _, period, parameters @ ..] = &self.values;
        let [units, inertia, rated, peak, viscous, coulomb, gravity, response, margin] =
            *parameters;
        let model = AxisModel {
            units_per_radian: units,
            inertia_kgm2: inertia,
            rated_torque_nm: rated,
            peak_torque_nm: peak,
            viscous_nms: viscous,
            coulomb_nm: coulomb,
            gravity_nm: gravity,
            response_ns: nanoseconds(response),
            margin,
        };
        self.twin = Some(AxisTwin::new(&model, nanoseconds(*period)));
        self.values[0] = time;
    }

    /// As it was made.
    pub fn reset(&mut self) {
        self.values = self.started;
        self.twin = None;
    }

    /// One step of `step` seconds from `time`; false: not initialised, or no step forward.
    pub fn step(&mut self, time: f64, step: f64) -> bool {
        let elapsed = nanoseconds(step);
        let Some(twin) = self.twin.as_mut().filter(|_| elapsed > 0 && time.is_finite()) else {
            return false;
        };
        let [
            now,
            measured,
            torque,
            position,
            velocity,
            disturbance,
            innovation,
            stopping,
            deceleration,
            ..,
        ] = &mut self.values;
        let permille = twin_lite::Nano::from_units(*torque * 1e-9).map_or(0, |value| value.0);
        let limits = (i64::from(i16::MIN), i64::from(i16::MAX));
        let permille = i16::try_from(permille.clamp(limits.0, limits.1)).unwrap_or(0);
        twin.update(*measured, permille, Some(elapsed));
        let estimate = twin.estimate();
        *now = time + step;
        *position = estimate.position;
        *velocity = estimate.velocity;
        *disturbance = estimate.disturbance_nm;
        *innovation = estimate.innovation;
        *stopping = twin.stopping(*deceleration, estimate.velocity).distance;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARAMETERS: [f64; COUNT - FIRST_PARAMETER] =
        [5000.0, 1e-3, 1.5, 1e-4, 1.0, 3.0, 1e-4, 0.1, 0.0, 4e-3, 0.5];

    #[test]
    fn steps_are_the_updates_of_the_twin_to_the_bit() {
        let mut instance = Instance::new(&PARAMETERS).unwrap();
        instance.initialise(0.0);
        let model = AxisModel {
            units_per_radian: 1.5,
            inertia_kgm2: 1e-4,
            rated_torque_nm: 1.0,
            peak_torque_nm: 3.0,
            viscous_nms: 1e-4,
            coulomb_nm: 0.1,
            gravity_nm: 0.0,
            response_ns: 4_000_000,
            margin: 0.5,
        };
        let mut twin = AxisTwin::new(&model, 1_000_000);
        let (mut time, mut position) = (0.0, 0.0);
        for torque in 0..200_i16 {
            position += 0.01 * f64::from(torque);
            assert!(instance.set(1, position) && instance.set(2, f64::from(torque)));
            assert!(instance.step(time, 1e-3));
            twin.update(position, torque, Some(1_000_000));
            time += 1e-3;
            assert_eq!(instance.get(4), Some(twin.estimate().velocity));
            assert_eq!(instance.get(5), Some(twin.estimate().disturbance_nm));
        }
        assert!(instance.get(4).unwrap() > 0.0);
    }

    #[test]
    fn what_cannot_be_set_is_refused() {
        let mut instance = Instance::new(&PARAMETERS).unwrap();
        assert!(!instance.step(0.0, 1e-3), "not initialised");
        assert!(instance.set(11, 2e-4), "a parameter before it");
        instance.initialise(0.0);
        assert!(!instance.set(11, 3e-4), "and not after it");
        assert!(!instance.set(4, 1.0) && !instance.set(COUNT, 1.0) && !instance.set(1, f64::NAN));
        assert!(!instance.step(0.0, 0.0));
        instance.reset();
        assert_eq!(instance.get(11), Some(1e-4));
        assert!(Instance::new(&PARAMETERS[1..]).is_none());
        let names: Vec<_> = variables().iter().map(|variable| variable.name).collect();
        assert_eq!(names[11], "inertia");
    }
}
