//! Joins modules into the files that browsers load: one for the page and all that several views
//! use, one for each view and what it uses alone. They compress together, and there are few
//! requests.
//!
//! A joined file has the modules' bodies one after the other, what is imported first, in one scope.
//! So names at the top must differ within a file, an import under another name is not possible, and
//! modules must not import each other in a circle: each is an error, which fails the build.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::strip::{Import, LATER, Module, What};

/// The module that the page begins with.
const PAGE: &str = "app.js";

/// By name.
type Modules = BTreeMap<String, Module>;

/// The files, by name.
pub fn join(modules: &Modules) -> Result<BTreeMap<String, String>, String> {
    let later = modules.values().flat_map(|module| &module.later);
    let views: BTreeSet<&str> = later.map(String::as_str).collect();
    let page = used_by(modules, [PAGE])?;
    let mut users: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for &view in &views {
        for name in used_by(modules, [view])? {
            users.entry(name).or_default().push(view);
        }
    }
    let home = |name: &str| match users.get(name).map(Vec::as_slice) {
        Some(&[view]) if !page.contains(&name) => view,
        _ => PAGE,
    };
    let homes: BTreeMap<&str, &str> = modules.keys().map(|name| (&**name, home(name))).collect();
    let mut files = BTreeMap::new();
    for file in views.into_iter().chain([PAGE]) {
        let text = joined(file, modules, &homes).map_err(|why| format!("{file}: {why}"))?;
        files.insert(file.to_owned(), text);
    }
    Ok(files)
}

/// These modules and all that they import at once, the imported first.
fn used_by<'a, 'b>(
    modules: &'a Modules,
    roots: impl IntoIterator<Item = &'b str>,
) -> Result<Vec<&'a str>, String> {
    let mut order = Vec::new();
    for root in roots {
        visit(modules, root, &mut order, &mut Vec::new())?;
    }
    Ok(order)
}

fn visit<'a>(
    modules: &'a Modules,
    name: &str,
    order: &mut Vec<&'a str>,
    open: &mut Vec<&'a str>,
) -> Result<(), String> {
    // What is vendored is not joined.
    let Some((name, module)) = modules.get_key_value(name) else {
        return Ok(());
    };
    if order.contains(&&**name) {
        return Ok(());
    }
    if open.contains(&&**name) {
        return Err(format!("imports in a circle: {open:?}"));
    }
    open.push(name);
    for import in &module.imports {
        visit(modules, &import.from, order, open)?;
    }
    open.pop();
    order.push(name);
    Ok(())
}

/// One file.
fn joined(file: &str, modules: &Modules, homes: &BTreeMap<&str, &str>) -> Result<String, String> {
    let up = match file.matches('/').count() {
        0 => "./".to_owned(),
        depth => "../".repeat(depth),
    };
    // The module that the file is named after comes last: it may run what the others declare.
    let own = modules.keys().map(String::as_str);
    let own = own.filter(|name| *name != file && homes[name] == file);
    let order = used_by(modules, own.chain([file]))?;
    let parts = order.into_iter().filter(|name| homes[name] == file);
    let parts: Vec<&Module> = parts.map(|name| &modules[name]).collect();
    let home = |from: &str| {
        homes
            .get(from)
            .map_or(from.to_owned(), |home| (*home).to_owned())
    };
    let mut names = BTreeSet::new();
    let (mut wanted, mut spaces) = (BTreeMap::<_, BTreeSet<&str>>::new(), BTreeSet::new());
    for Import { from, what } in parts.iter().flat_map(|part| &part.imports) {
        match what {
            What::Names(these) => {
                let exports = |name: &&String| modules[from].exported.contains(*name);
                if modules.contains_key(from)
                    && let Some(name) = these.iter().find(|n| !exports(n))
                {
                    return Err(format!("{from} does not export {name}"));
                }
                if home(from) != file {
                    let all = wanted.entry(home(from)).or_default();
                    all.extend(these.iter().map(String::as_str));
                }
            }
            What::All(space) => {
                spaces.insert((&**from, &**space));
            }
        }
    }
    let mut text = String::new();
    // Writing to a String does not fail.
    for (home, these) in wanted {
        let list: Vec<&str> = these.iter().copied().collect();
        let _ = writeln!(text, "import{{{}}}from\"{up}{home}\";", list.join(","));
        names.extend(these);
    }
    for (from, space) in &spaces {
        if home(from) != file {
            let _ = writeln!(text, "import*as {space} from\"{up}{}\";", home(from));
        }
    }
    let declared = parts.iter().flat_map(|part| &part.declared);
    let declared = declared.map(String::as_str);
    for name in declared.chain(spaces.iter().map(|(_, space)| *space)) {
        if !names.insert(name) {
            return Err(format!("{name} is declared twice"));
        }
    }
    for part in parts {
        text.push_str(&part.body.replace(LATER, &format!("import(\"{up}")));
        for (_, space) in spaces.iter().filter(|(from, _)| *from == part.name) {
            let _ = writeln!(text, "const {space}={{{}}};", part.exported.join(","));
        }
    }
    Ok(text)
}
