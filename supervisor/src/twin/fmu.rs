//! An axis twin as an FMU: description, parameters, and the library that ships beside `tactus`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use config::Machine;
use twin_fmu::{Causality, MODEL_IDENTIFIER, token, variables};

use super::zip;
use crate::exit::Error;

/// The library's file name.
const LIBRARY: &str = "libtwin_fmu_library.so";

/// The FMU of an axis, as bytes.
pub(super) fn export(
    machine: &Machine,
    axis: usize,
    library: Option<&Path>,
) -> Result<Vec<u8>, Error> {
    let path = match library {
        Some(path) => path.to_path_buf(),
        None => beside().ok_or_else(|| {
            Error::environment(format!(
                "{LIBRARY} is not beside tactus or in ../lib/tactus/\n  `cargo build --release` makes it \
                 beside tactus; --library says where else it is"
            ))
        })?,
    };
    let library = std::fs::read(&path).map_err(|source| {
        Error::environment(format!("{} cannot be read: {source}", path.display()))
    })?;
    let values = parameters(machine, axis).ok_or_else(|| Error::file("there is no such axis"))?;
    let text =
        description(&machine.name, machine.names.axes.get(axis).map_or("", |it| it), &values);
    let lines: String = values.iter().map(|value| format!("{value}\n")).collect();
    let binary = format!("binaries/{}-linux/{MODEL_IDENTIFIER}.so", std::env::consts::ARCH);
    let files = [
        ("modelDescription.xml", text.as_bytes()),
        ("resources/parameters.txt", lines.as_bytes()),
        (binary.as_str(), library.as_slice()),
    ];
    zip::archive(&files).ok_or_else(|| Error::environment("the FMU would be larger than 4 GB"))
}

fn beside() -> Option<PathBuf> {
    let here = std::env::current_exe().ok()?;
    let folder = here.parent()?;
    let places = [folder.to_path_buf(), folder.join("../lib/tactus")];
    places.into_iter().map(|place| place.join(LIBRARY)).find(|path| path.is_file())
}

/// Values of the twin's parameters in the order of the FMU's variables: what the loop of this machine calculates with.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "periods and response times are far below 2^53 ns")]
pub fn parameters(machine: &Machine, axis: usize) -> Option<Vec<f64>> {
    let plan = machine.plan.axes.get(axis)?;
    let model = &plan.model;
    let seconds = |ns: u64| ns as f64 / 1e9;
    Some(vec![
        plan.stop.ramp_deceleration.units(),
        seconds(machine.plan.period_ns),
        model.units_per_radian,
        model.inertia_kgm2,
        model.rated_torque_nm,
        model.peak_torque_nm,
        model.viscous_nms,
        model.coulomb_nm,
        model.gravity_nm,
        seconds(model.response_ns),
        model.margin,
    ])
}

/// `modelDescription.xml`. Source: FMI 3.0.2, section 2.4 and 4.3.
#[must_use]
pub fn description(machine: &str, axis: &str, values: &[f64]) -> String {
    let mut out = String::new();
    // Writing to a String does not fail.
    let _ = write_description(&mut out, machine, axis, values);
    out
}

fn escape(text: &str) -> String {
    crate::what_if::escape(text)
}

fn write_description(
    out: &mut String,
    machine: &str,
    axis: &str,
    values: &[f64],
) -> std::fmt::Result {
    let period = values.get(1).copied().unwrap_or(1e-3);
    write!(
        out,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <fmiModelDescription fmiVersion=\"3.0\" modelName=\"{machine} {axis}\" \
         instantiationToken=\"{}\" description=\"axis twin: observer of position, velocity and \
         disturbance torque, and stopping distance\" generationTool=\"tactus {}\" \
         variableNamingConvention=\"flat\">\n\
         <CoSimulation modelIdentifier=\"{MODEL_IDENTIFIER}\" \
         canHandleVariableCommunicationStepSize=\"true\" fixedInternalStepSize=\"{period}\"/>\n\
         <DefaultExperiment startTime=\"0\" stepSize=\"{period}\"/>\n<ModelVariables>\n",
        token(),
        env!("CARGO_PKG_VERSION"),
        machine = escape(machine),
        axis = escape(axis),
    )?;
    let mut parameter = values.iter();
    for (reference, variable) in variables().iter().enumerate() {
        let about = match variable.causality {
            Causality::Independent => {
                "causality=\"independent\" variability=\"continuous\"".to_owned()
            }
            Causality::Input => {
                "causality=\"input\" variability=\"discrete\" start=\"0\"".to_owned()
            }
            Causality::Output => "causality=\"output\" variability=\"discrete\" \
                                  initial=\"calculated\""
                .to_owned(),
            Causality::Parameter => {
                let value = parameter.next().copied().unwrap_or_default();
                format!("causality=\"parameter\" variability=\"fixed\" start=\"{value}\"")
            }
        };
        writeln!(
            out,
            "<Float64 name=\"{}\" valueReference=\"{reference}\" {about} description=\"{}\"/>",
            variable.name,
            escape(variable.description)
        )?;
    }
    out.push_str("</ModelVariables>\n<ModelStructure>\n");
    for element in ["Output", "InitialUnknown"] {
        for (reference, variable) in variables().iter().enumerate() {
            if variable.causality == Causality::Output {
                writeln!(out, "<{element} valueReference=\"{reference}\"/>")?;
            }
        }
    }
    out.push_str("</ModelStructure>\n</fmiModelDescription>\n");
    Ok(())
}
