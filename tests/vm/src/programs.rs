//! What each program cost the verifier, and what became of it.

use aya::programs::loaded_programs;
use serde_json::{Value, json};

/// Every loaded program of the agent, by name. `verified` is what the verifier walked, in instructions (null before
/// Linux 5.16, which does not count it), `translated` the program in instructions, `jited` in bytes of machine code.
///
/// # Errors
/// When the kernel does not list its programs.
pub(crate) fn of_the_agent() -> Result<Vec<Value>, String> {
    let mut found = Vec::new();
    for program in loaded_programs() {
        let program = program.map_err(|error| error.to_string())?;
        let name = program.name_as_str().unwrap_or_default().to_owned();
        if !name.starts_with("pitot") {
            continue;
        }
        let translated = program.size_translated().map(|bytes| bytes / 8);
        found.push(json!({
            "name": name,
            "verified": program.verified_instruction_count(),
            "translated": translated,
            "jited": program.size_jitted(),
        }));
    }
    found.sort_by_key(|program| program["name"].to_string());
    Ok(found)
}
