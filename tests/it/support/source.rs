//! Lists the paths that a Rust file names, whether in `use`, in an expression or inside a macro.

use std::collections::BTreeSet;

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// One path as written, group imports unfolded: `use a::{b, c::d}` names `a::b` and `a::c::d`.
pub(crate) type NamedPath = Vec<String>;

/// Every path that `text`, the file of the module `module`, names outside `#[cfg(test)]` items.
///
/// `self` and `super` at the head of a path are resolved against `module`, a path that starts with `crate`. Comments and
/// string literals are no tokens and therefore name nothing.
pub(crate) fn named_paths(text: &str, module: &[String]) -> BTreeSet<NamedPath> {
    let tokens: TokenStream = text.parse().expect("the file is Rust that tokenises");
    let mut found = BTreeSet::new();
    collect(tokens, &mut found);
    found
        .into_iter()
        .map(|path| resolve(path, module))
        .collect()
}

/// The module that the file `path`, relative to its crate's `src`, stands for.
pub(crate) fn module_of(path: &std::path::Path) -> Vec<String> {
    let mut module = vec!["crate".to_owned()];
    module.extend(
        path.with_extension("")
            .iter()
            .map(|part| part.to_string_lossy().into_owned()),
    );
    if module
        .last()
        .is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str()))
    {
        module.pop();
    }
    module
}

fn collect(tokens: TokenStream, found: &mut BTreeSet<NamedPath>) {
    let tokens = without_test_items(tokens.into_iter().collect());
    let mut at = 0;
    while at < tokens.len() {
        at = match &tokens[at] {
            TokenTree::Ident(_) => read_path(&tokens, at, &[], found),
            TokenTree::Group(group) => {
                collect(group.stream(), found);
                at + 1
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => at + 1,
        };
    }
}

/// Reads the path that starts with the identifier at `start` and answers where the next token lies.
fn read_path(
    tokens: &[TokenTree],
    start: usize,
    prefix: &[String],
    found: &mut BTreeSet<NamedPath>,
) -> usize {
    let mut path = prefix.to_vec();
    let mut at = start;
    while let Some(TokenTree::Ident(ident)) = tokens.get(at) {
        path.push(ident.to_string());
        at += 1;
        if !is_path_separator(tokens, at) {
            break;
        }
        at += 2;
        if let Some(TokenTree::Group(group)) = tokens.get(at)
            && group.delimiter() == Delimiter::Brace
        {
            read_group(group, &path, found);
            return at + 1;
        }
    }
    found.insert(path);
    at
}

fn read_group(group: &Group, prefix: &[String], found: &mut BTreeSet<NamedPath>) {
    let tokens: Vec<TokenTree> = group.stream().into_iter().collect();
    let mut at = 0;
    while at < tokens.len() {
        at = match tokens[at] {
            TokenTree::Ident(_) => read_path(&tokens, at, prefix, found),
            _ => at + 1,
        };
    }
}

fn is_path_separator(tokens: &[TokenTree], at: usize) -> bool {
    is_punct(tokens.get(at), ':') && is_punct(tokens.get(at + 1), ':')
}

fn is_punct(token: Option<&TokenTree>, wanted: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == wanted)
}

/// Drops each item marked `#[cfg(test)]`: from the mark to the end of its body or to its semicolon.
fn without_test_items(tokens: Vec<TokenTree>) -> Vec<TokenTree> {
    let mut kept = Vec::new();
    let mut rest = tokens.into_iter().peekable();
    while let Some(token) = rest.next() {
        let marks_test = is_punct(Some(&token), '#') && rest.peek().is_some_and(is_cfg_test);
        if !marks_test {
            kept.push(token);
            continue;
        }
        rest.next();
        for skipped in rest.by_ref() {
            let is_body = matches!(&skipped, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace);
            if is_body || is_punct(Some(&skipped), ';') {
                break;
            }
        }
    }
    kept
}

fn is_cfg_test(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Group(group) if group.stream().to_string().replace(' ', "") == "cfg(test)")
}

fn resolve(path: NamedPath, module: &[String]) -> NamedPath {
    let supers = path.iter().take_while(|part| *part == "super").count();
    let skipped = usize::from(supers == 0 && path.first().is_some_and(|part| part == "self"));
    if supers + skipped == 0 {
        return path;
    }
    let base = &module[..module.len().saturating_sub(supers)];
    base.iter()
        .chain(&path[supers + skipped..])
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{module_of, named_paths};

    fn named(text: &str) -> Vec<String> {
        let module = ["crate", "web", "views"].map(str::to_owned);
        named_paths(text, &module)
            .into_iter()
            .map(|path| path.join("::"))
            .collect()
    }

    #[test]
    fn a_grouped_import_names_each_of_its_paths() {
        assert_eq!(
            named("use a::{b, c::{self, D}};").join(" "),
            "a::b a::c::D a::c::self use"
        );
    }

    #[test]
    fn super_is_resolved_against_the_module() {
        assert!(
            named("use super::super::store::tasks;").contains(&"crate::store::tasks".to_owned())
        );
        assert!(named("fn f() { self::x() }").contains(&"crate::web::views::x".to_owned()));
    }

    #[test]
    fn a_path_inside_a_macro_or_a_function_body_is_found() {
        assert!(named("fn f() { vec![sea_orm::Set(1)] }").contains(&"sea_orm::Set".to_owned()));
    }

    #[test]
    fn comments_strings_and_test_modules_name_nothing() {
        let text =
            "// a::b\nconst S: &str = \"c::d\"; #[cfg(test)] mod tests { use e::f; } use g::h;";
        let found = named(text);
        assert!(found.contains(&"g::h".to_owned()));
        assert!(
            !found
                .iter()
                .any(|path| ["a::b", "c::d", "e::f"].contains(&path.as_str()))
        );
    }

    #[test]
    fn a_module_file_stands_for_its_folder() {
        assert_eq!(module_of("app/mod.rs".as_ref()).join("::"), "crate::app");
        assert_eq!(module_of("lib.rs".as_ref()).join("::"), "crate");
        assert_eq!(
            module_of("web/tasks.rs".as_ref()).join("::"),
            "crate::web::tasks"
        );
    }
}
