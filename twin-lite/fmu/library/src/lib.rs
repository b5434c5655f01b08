//! The library inside of an FMU that `tactus twin export --fmu` writes: the functions that an importer calls.
//! Source: FMI 3.0.2, fmi3FunctionTypes.h.
//!
//! Unsafe code is here because C calls: pointers and lengths are the caller's word (docs/adr/0032).
//!
//! What co-simulation of this twin does not need answers "error" and takes no argument: with the C calling convention the caller
//! clears what it passed.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::path::PathBuf;

use twin_fmu::{Instance, token};

const OK: c_int = 0;
const ERROR: c_int = 3;
const VERSION: &CStr = c"3.0";

/// The parameters, one number a line, in the resources of the FMU.
const PARAMETERS: &str = "parameters.txt";

/// # Safety
/// `text` is null or ends with a zero.
unsafe fn text(text: *const c_char) -> Option<String> {
    if text.is_null() {
        return None;
    }
    // SAFETY: not null, and by FMI 3.0 (2.1.2) a string ends with a zero and lives during the call.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str().ok().map(str::to_owned)
}

/// # Safety
/// `instance` is null or came from `fmi3InstantiateCoSimulation` and was not freed; nobody else uses it during the call.
unsafe fn with(instance: *mut c_void, act: impl FnOnce(&mut Instance) -> bool) -> c_int {
    // SAFETY: by the contract above it points to an `Instance`, or is null.
    let instance = unsafe { instance.cast::<Instance>().as_mut() };
    if instance.is_some_and(act) { OK } else { ERROR }
}

fn instantiate(given: Option<String>, resources: Option<String>) -> Option<Instance> {
    if given? != token() {
        return None;
    }
    let file = PathBuf::from(resources?).join(PARAMETERS);
    let text = std::fs::read_to_string(file).ok()?;
    let values: Result<Vec<f64>, _> = text.lines().map(str::parse).collect();
    Instance::new(&values.ok()?)
}

#[unsafe(no_mangle)]
extern "C" fn fmi3GetVersion() -> *const c_char {
    VERSION.as_ptr()
}

/// # Safety
/// As FMI 3.0 says: strings end with a zero.
#[unsafe(no_mangle)]
unsafe extern "C" fn fmi3InstantiateCoSimulation(
    _name: *const c_char,
    instantiation_token: *const c_char,
    resource_path: *const c_char,
) -> *mut c_void {
    // SAFETY: the caller's string, by the contract.
    let given = unsafe { text(instantiation_token) };
    // SAFETY: the caller's string, by the contract.
    let resources = unsafe { text(resource_path) };
    match instantiate(given, resources) {
        Some(instance) => Box::into_raw(Box::new(instance)).cast(),
        None => std::ptr::null_mut(),
    }
}

/// # Safety
/// `instance` came from `fmi3InstantiateCoSimulation` and is not used after this.
#[unsafe(no_mangle)]
unsafe extern "C" fn fmi3FreeInstance(instance: *mut c_void) {
    if !instance.is_null() {
        // SAFETY: it came from `Box::into_raw` of this type and is freed once, by the contract.
        drop(unsafe { Box::from_raw(instance.cast::<Instance>()) });
    }
}

/// # Safety
/// As FMI 3.0 says.
#[unsafe(no_mangle)]
unsafe extern "C" fn fmi3EnterInitializationMode(
    _instance: *mut c_void,
    _tolerance_defined: bool,
    _tolerance: f64,
    _start: f64,
    _stop_defined: bool,
    _stop: f64,
) -> c_int {
    OK
}

/// # Safety
/// As FMI 3.0 says.
#[unsafe(no_mangle)]
unsafe extern "C" fn fmi3ExitInitializationMode(instance: *mut c_void) -> c_int {
    let initialise = |instance: &mut Instance| {
        instance.initialise(0.0);
        true
    };
    // SAFETY: the caller's instance, by the contract.
    unsafe { with(instance, initialise) }
}

/// # Safety
/// As FMI 3.0 says.
#[unsafe(no_mangle)]
unsafe extern "C" fn fmi3Reset(instance: *mut c_void) -> c_int {
    let reset = |instance: &mut Instance| {
        instance.reset();
        true
    };
    // SAFETY: the caller's instance, by the contract.
    unsafe { with(instance, reset) }
}

/// # Safety
/// `references` holds `count` references, `values` room for as many.
#[unsafe(no_mangle)]
unsafe extern "C" fn fmi3GetFloat64(
    instance: *mut c_void,
    references: *const u32,
    count: usize,
    values: *mut f64,
    values_count: usize,
) -> c_int {
    if references.is_null() || values.is_null() || count != values_count {
        return ERROR;
    }
    // SAFETY: not null, and as long as the caller says.
    let references = unsafe { std::slice::from_raw_parts(references, count) };
    // SAFETY: not null, as long as the caller says, and nobody else's during the call.
    let values = unsafe { std::slice::from_raw_parts_mut(values, count) };
    let read = |instance: &mut Instance| {
        references.iter().zip(values).all(|(reference, value)| {
            let found = usize::try_from(*reference).ok().and_then(|place| instance.get(place));
            found.map(|found| *value = found).is_some()
        })
    };
    // SAFETY: the caller's instance, by the contract.
    unsafe { with(instance, read) }
}

/// # Safety
/// `references` and `values` hold `count` entries each.
#[unsafe(no_mangle)]
unsafe extern "C" fn fmi3SetFloat64(
    instance: *mut c_void,
    references: *const u32,
    count: usize,
    values: *const f64,
    values_count: usize,
) -> c_int {
    if references.is_null() || values.is_null() || count != values_count {
        return ERROR;
    }
    // SAFETY: not null, and as long as the caller says.
    let references = unsafe { std::slice::from_raw_parts(references, count) };
    // SAFETY: not null, and as long as the caller says.
    let values = unsafe { std::slice::from_raw_parts(values, count) };
    let write = |instance: &mut Instance| {
        references.iter().zip(values).all(|(reference, value)| {
            usize::try_from(*reference).is_ok_and(|place| instance.set(place, *value))
        })
    };
    // SAFETY: the caller's instance, by the contract.
    unsafe { with(instance, write) }
}

/// # Safety
/// As FMI 3.0 says; the last four point to room for one value each.
#[unsafe(no_mangle)]
unsafe extern "C" fn fmi3DoStep(
    instance: *mut c_void,
    time: f64,
    step: f64,
    _no_set_state: bool,
    event: *mut bool,
    terminate: *mut bool,
    early: *mut bool,
    last_time: *mut f64,
) -> c_int {
    // SAFETY: the caller's instance, by the contract.
    let done = unsafe { with(instance, |instance| instance.step(time, step)) };
    for flag in [event, terminate, early] {
        // SAFETY: the caller's room for a flag, or null.
        if let Some(flag) = unsafe { flag.as_mut() } {
            *flag = false;
        }
    }
    // SAFETY: the caller's room for a time, or null.
    if let Some(last_time) = unsafe { last_time.as_mut() } {
        *last_time = if done == OK { time + step } else { time };
    }
    done
}

macro_rules! answers {
    ($status:ident: $($name:ident)*) => {
        $(
            #[unsafe(no_mangle)]
            extern "C" fn $name() -> c_int {
                $status
            }
        )*
    };
}

answers!(OK: fmi3SetDebugLogging fmi3Terminate);

answers!(ERROR:
    fmi3EnterEventMode fmi3EnterConfigurationMode fmi3ExitConfigurationMode fmi3EnterStepMode
    fmi3GetFloat32 fmi3GetInt8 fmi3GetUInt8 fmi3GetInt16 fmi3GetUInt16 fmi3GetInt32 fmi3GetUInt32
    fmi3GetInt64 fmi3GetUInt64 fmi3GetBoolean fmi3GetString fmi3GetBinary fmi3GetClock
    fmi3SetFloat32 fmi3SetInt8 fmi3SetUInt8 fmi3SetInt16 fmi3SetUInt16 fmi3SetInt32 fmi3SetUInt32
    fmi3SetInt64 fmi3SetUInt64 fmi3SetBoolean fmi3SetString fmi3SetBinary fmi3SetClock
    fmi3GetNumberOfVariableDependencies fmi3GetVariableDependencies
    fmi3GetFMUState fmi3SetFMUState fmi3FreeFMUState fmi3SerializedFMUStateSize
    fmi3SerializeFMUState fmi3DeserializeFMUState
    fmi3GetDirectionalDerivative fmi3GetAdjointDerivative
    fmi3GetIntervalDecimal fmi3GetIntervalFraction fmi3GetShiftDecimal fmi3GetShiftFraction
    fmi3SetIntervalDecimal fmi3SetIntervalFraction fmi3SetShiftDecimal fmi3SetShiftFraction
    fmi3EvaluateDiscreteStates fmi3UpdateDiscreteStates fmi3GetOutputDerivatives
);

// Of model exchange and scheduled execution, which the description does not offer; importers look all of them up.
answers!(ERROR:
    fmi3ActivateModelPartition
    fmi3CompletedIntegratorStep
    fmi3EnterContinuousTimeMode
    fmi3GetContinuousStateDerivatives
    fmi3GetContinuousStates
    fmi3GetEventIndicators
    fmi3GetNominalsOfContinuousStates
    fmi3GetNumberOfContinuousStates
    fmi3GetNumberOfEventIndicators
    fmi3SetContinuousStates
    fmi3SetTime
);

#[unsafe(no_mangle)]
extern "C" fn fmi3InstantiateModelExchange() -> *mut c_void {
    std::ptr::null_mut()
}

#[unsafe(no_mangle)]
extern "C" fn fmi3InstantiateScheduledExecution() -> *mut c_void {
    std::ptr::null_mut()
}
