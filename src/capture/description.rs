//! Pipeline descriptions: the only place where GStreamer elements are named, outside the tail.
//!
//! The form of the files is explained in `pipelines/file.toml`. Those that are shipped are built
//! in; a file of the same name in the user's directory takes the place of a shipped one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::error::CaptureError;
use super::launch::{self, Launch, Template};
use crate::redact::Secrets;

/// The descriptions that are shipped, by name.
const SHIPPED: [(&str, &str); 5] = [
    ("csi", include_str!("../../pipelines/csi.toml")),
    ("file", include_str!("../../pipelines/file.toml")),
    ("rtsp", include_str!("../../pipelines/rtsp.toml")),
    ("test", include_str!("../../pipelines/test.toml")),
    ("usb", include_str!("../../pipelines/usb.toml")),
];

/// Values for parameters, as the user wrote them.
pub type Values = BTreeMap<String, String>;

/// A pipeline with placeholders.
#[derive(Debug)]
pub(super) struct Description {
    /// Where it came from, for messages.
    path: PathBuf,
    name: String,
    /// At whose pace the source runs, and until when.
    pub(super) flow: Flow,
    /// In the order of preference; the last one needs nothing.
    variants: Vec<(Vec<String>, Template)>,
    parameters: BTreeMap<String, Parameter>,
}

/// At whose pace a source runs, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    /// It waits to be read, and ends: a file.
    Stored,
    /// It runs at its own pace until it is stopped: a camera. If it ends, it was lost.
    Endless,
    /// It runs at its own pace, and may end.
    Limited,
}

impl Flow {
    /// Whether it runs at its own pace.
    pub(super) fn is_live(self) -> bool {
        match self {
            Self::Stored => false,
            Self::Endless | Self::Limited => true,
        }
    }

    /// What a file says by `live` and `ends`.
    fn new(live: bool, ends: Option<bool>) -> Result<Self, String> {
        match (live, ends) {
            (false, None | Some(true)) => Ok(Self::Stored),
            (true, None | Some(false)) => Ok(Self::Endless),
            (true, Some(true)) => Ok(Self::Limited),
            (false, Some(false)) => Err("what never ends is live: write live = true".into()),
        }
    }
}

/// The file's form.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    #[serde(rename = "description")]
    _description: String,
    live: bool,
    ends: Option<bool>,
    pipeline: String,
    #[serde(default)]
    alternatives: Vec<RawAlternative>,
    #[serde(default)]
    parameters: BTreeMap<String, Parameter>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAlternative {
    needs: Vec<String>,
    pipeline: String,
}

/// What may fill a placeholder.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
pub(super) enum Parameter {
    /// A whole number.
    Integer {
        #[serde(rename = "about")]
        _about: String,
        default: Option<i64>,
        minimum: Option<i64>,
        maximum: Option<i64>,
    },
    /// One of some words.
    Choice {
        #[serde(rename = "about")]
        _about: String,
        default: Option<String>,
        choices: Vec<String>,
    },
    /// Anything.
    Text {
        #[serde(rename = "about")]
        _about: String,
        default: Option<String>,
    },
}

impl Description {
    /// Finds the description `name`: in `directory`, else among those shipped. `None` if there is
    /// none.
    pub(super) fn find(name: &str, directory: Option<&Path>) -> Result<Option<Self>, CaptureError> {
        if !is_plain(name) {
            return Ok(None);
        }
        let own = directory.map(|directory| directory.join(format!("{name}.toml")));
        if let Some(path) = own.filter(|path| path.exists()) {
            let text = fs::read_to_string(&path).map_err(|error| CaptureError::Description {
                path: path.clone(),
                fault: format!("it cannot be read: {error}"),
            })?;
            return Self::parse(name, path, &text).map(Some);
        }
        let shipped = SHIPPED.iter().find(|(shipped, _)| *shipped == name);
        shipped.map(|(_, text)| Self::parse(name, format!("{name}.toml").into(), text)).transpose()
    }

    /// The names that [`Self::find`] knows, sorted.
    pub(super) fn names(directory: Option<&Path>) -> Vec<String> {
        let mut names: BTreeSet<String> = SHIPPED.iter().map(|(name, _)| (*name).into()).collect();
        let entries = directory.and_then(|directory| fs::read_dir(directory).ok());
        for path in entries.into_iter().flatten().flatten().map(|entry| entry.path()) {
            let is_toml = path.extension().is_some_and(|extension| extension == "toml");
            let stem = path.file_stem().and_then(|stem| stem.to_str());
            names.extend(stem.filter(|stem| is_toml && is_plain(stem)).map(str::to_owned));
        }
        names.into_iter().collect()
    }

    /// Reads and checks a description.
    fn parse(name: &str, path: PathBuf, text: &str) -> Result<Self, CaptureError> {
        let wrong = |fault: String| CaptureError::Description { path: path.clone(), fault };
        let raw: Raw = toml::from_str(text).map_err(|error| wrong(error.to_string()))?;
        let alternatives = raw.alternatives.into_iter();
        let texts = alternatives
            .map(|alternative| (alternative.needs, alternative.pipeline))
            .chain([(Vec::new(), raw.pipeline)]);
        let variants = texts.map(|(needs, text)| (needs, Template::new(&text))).collect();
        let description = Self {
            path: path.clone(),
            name: name.to_owned(),
            flow: Flow::new(raw.live, raw.ends).map_err(&wrong)?,
            variants,
            parameters: raw.parameters,
        };
        description.check().map_err(wrong)?;
        Ok(description)
    }

    fn check(&self) -> Result<(), String> {
        for (name, parameter) in &self.parameters {
            parameter.check().map_err(|fault| format!("parameter `{name}`: {fault}"))?;
        }
        for (_, template) in &self.variants {
            self.check_template(template)?;
        }
        let unused = self.parameters.keys().find(|name| !self.uses(name));
        unused.map_or(Ok(()), |name| Err(format!("parameter `{name}` fills no placeholder")))
    }

    fn check_template(&self, template: &Template) -> Result<(), String> {
        if template.is_empty() {
            return Err("a pipeline names no element".into());
        }
        for placeholder in template.placeholders() {
            let name = placeholder.name;
            let parameter = self.parameters.get(name).ok_or_else(|| {
                format!("the placeholder {{{name}}} has no entry [parameters.{name}]")
            })?;
            if matches!(parameter, Parameter::Text { .. }) && !placeholder.is_whole_value {
                return Err(format!(
                    "the placeholder {{{name}}} is a text, so it must stand alone after `property=`"
                ));
            }
        }
        Ok(())
    }

    fn uses(&self, name: &str) -> bool {
        let mut templates = self.variants.iter().map(|(_, template)| template);
        templates.any(|template| template.placeholders().any(|found| found.name == name))
    }

    /// Whether `name` is a parameter.
    pub(super) fn has_parameter(&self, name: &str) -> bool {
        self.parameters.contains_key(name)
    }

    /// Where it came from.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The pipelines with every placeholder filled, in the order of preference.
    pub(super) fn fill(&self, values: &Values) -> Result<Vec<Launch>, CaptureError> {
        if let Some(unknown) = values.keys().find(|name| !self.has_parameter(name)) {
            return Err(self.fault(unknown, self.known_parameters()));
        }
        let words = self.words(values)?;
        let launch = |(needs, template): &(Vec<String>, Template)| Launch {
            needs: needs.clone(),
            text: template.fill(&words),
        };
        Ok(self.variants.iter().map(launch).collect())
    }

    /// How long the source may take to answer, which its pipeline is told: the parameter `patience`, in
    /// milliseconds. `None` if it has no such parameter.
    pub(super) fn answers_within(&self, values: &Values) -> Option<Duration> {
        let parameter = self.parameters.get("patience")?;
        let value = value("patience", parameter, values)?;
        Some(Duration::from_millis(value.trim().parse().ok()?))
    }

    /// For each of the pipelines what must be installed for it, in the order of preference.
    pub(super) fn needs(&self) -> impl Iterator<Item = &[String]> {
        self.variants.iter().map(|(needs, _)| needs.as_slice())
    }

    /// What of `values` must not be shown. Numbers and choices are no secrets, whatever their names.
    pub(super) fn secrets(&self, values: &Values) -> Secrets {
        let is_text = |name: &str| match self.parameters.get(name) {
            Some(Parameter::Text { .. }) => true,
            Some(Parameter::Integer { .. } | Parameter::Choice { .. }) | None => false,
        };
        let texts = values.iter().filter(|(name, _)| is_text(name));
        Secrets::of(texts.map(|(name, value)| (name.as_str(), value.as_str())))
    }

    /// For each parameter what takes the placeholder's place.
    fn words(&self, values: &Values) -> Result<BTreeMap<&str, String>, CaptureError> {
        let mut words = BTreeMap::new();
        for (name, parameter) in &self.parameters {
            let given = value(name, parameter, values);
            let value = given.ok_or_else(|| self.fault(name, "it must be given".into()))?;
            let word = parameter.word(&value).map_err(|fault| self.fault(name, fault))?;
            words.insert(name.as_str(), word);
        }
        Ok(words)
    }

    fn fault(&self, name: &str, fault: String) -> CaptureError {
        CaptureError::Parameter { description: self.name.clone(), name: name.to_owned(), fault }
    }

    fn known_parameters(&self) -> String {
        if self.parameters.is_empty() {
            return "there is no such parameter; this pipeline has none".into();
        }
        let names: Vec<&str> = self.parameters.keys().map(String::as_str).collect();
        format!("there is no such parameter; there are {}", names.join(", "))
    }
}

/// What a parameter is given, or else its default.
fn value(name: &str, parameter: &Parameter, values: &Values) -> Option<String> {
    values.get(name).cloned().or_else(|| parameter.default())
}

impl Parameter {
    fn default(&self) -> Option<String> {
        match self {
            Self::Integer { default, .. } => default.map(|number| number.to_string()),
            Self::Choice { default, .. } | Self::Text { default, .. } => default.clone(),
        }
    }

    fn check(&self) -> Result<(), String> {
        if let Self::Choice { choices, .. } = self
            && let Some(odd) = choices.iter().find(|choice| !is_plain(choice))
        {
            return Err(format!("the choice `{odd}` is no plain word (letters, digits, _, -, +)"));
        }
        let checked = self.default().map(|default| self.word(&default)).transpose();
        checked.map(|_| ()).map_err(|fault| format!("its default: {fault}"))
    }

    /// `value` as it stands in the pipeline.
    fn word(&self, value: &str) -> Result<String, String> {
        match self {
            Self::Integer { minimum, maximum, .. } => integer(value, *minimum, *maximum),
            Self::Choice { choices, .. } if choices.iter().any(|choice| choice == value) => {
                Ok(value.to_owned())
            }
            Self::Choice { choices, .. } => {
                Err(format!("`{value}` is none of {}", choices.join(", ")))
            }
            Self::Text { .. } => launch::quote(value),
        }
    }
}

fn integer(value: &str, minimum: Option<i64>, maximum: Option<i64>) -> Result<String, String> {
    let number: i64 = value.parse().map_err(|_| format!("`{value}` is not a whole number"))?;
    let (minimum, maximum) = (minimum.unwrap_or(i64::MIN), maximum.unwrap_or(i64::MAX));
    if !(minimum..=maximum).contains(&number) {
        return Err(format!("{number} does not lie between {minimum} and {maximum}"));
    }
    Ok(number.to_string())
}

fn is_plain(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "_-+".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Description, CaptureError> {
        Description::parse("yard", "yard.toml".into(), text)
    }

    fn values(pairs: &[(&str, &str)]) -> Values {
        pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    }

    fn wrong(text: &str) -> String {
        parse(text).unwrap_err().to_string()
    }

    const YARD: &str = r#"
        description = "the yard"
        live = true
        pipeline = """
        # {nothing} is filled in a remark
        source path={path} size={size} !
        caps,format={BGRx,RGBx},mode={mode}
        """
        [parameters]
        path = { type = "text", about = "where" }
        size = { type = "integer", about = "how big", default = 3, minimum = 1, maximum = 9 }
        mode = { type = "choice", about = "how", choices = ["one", "two"], default = "one" }
    "#;

    #[test]
    fn placeholders_are_filled_by_values_and_defaults() {
        let launch = parse(YARD).unwrap().fill(&values(&[("path", "a b"), ("mode", "two")]));
        let text = launch.unwrap().remove(0).text;
        let words: Vec<&str> = text.split_whitespace().collect();
        assert_eq!(
            words.join(" "),
            r#"source path=\"a\\040b\" size=3 ! caps,format={BGRx,RGBx},mode=two"#
        );
    }

    #[test]
    fn wrong_values_are_named_with_what_would_be_right() {
        let fault = |pairs: &[(&str, &str)]| {
            let filled = parse(YARD).unwrap().fill(&values(pairs));
            filled.map(|_| "nothing").unwrap_err().to_string()
        };
        assert!(fault(&[("paht", "x")]).contains("`paht`"));
        assert!(fault(&[("paht", "x")]).contains("there are mode, path, size"));
        assert!(fault(&[]).contains("`path` of the pipeline `yard`: it must be given"));
        assert!(fault(&[("path", "x"), ("size", "10")]).contains("between 1 and 9"));
        assert!(fault(&[("path", "x"), ("size", "ten")]).contains("not a whole number"));
        assert!(fault(&[("path", "x"), ("mode", "on")]).contains("none of one, two"));
        assert!(fault(&[("path", "x\0y")]).contains("NUL character"));
    }

    #[test]
    fn wrong_descriptions_are_refused() {
        let with = |from: &str, to: &str| wrong(&YARD.replace(from, to));
        assert!(with("live = true", "live = 1").contains("yard.toml"));
        assert!(with("live = true", "live = true\nalive = 1").contains("alive"));
        assert!(with("live = true", "live = false\nends = false").contains("live = true"));
        assert!(with("maximum = 9", "maximal = 9").contains("maximal"));
        assert!(with("size={size}", "size={sise}").contains("{sise}"));
        assert!(with("size={size}", "size=1").contains("`size` fills no placeholder"));
        assert!(with("path={path}", "path=/x/{path}").contains("stand alone"));
        assert!(with("default = 3", "default = 30").contains("its default"));
        assert!(with("\"one\", \"two\"", "\"one\", \"t ! wo\"").contains("no plain word"));
    }

    #[test]
    fn the_users_file_takes_the_place_of_the_shipped_one() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("csi.toml"), YARD).unwrap();
        let own = Description::find("csi", Some(directory.path())).unwrap().unwrap();
        assert!(own.has_parameter("mode"));
        let shipped = Description::find("csi", None).unwrap().unwrap();
        assert!(shipped.has_parameter("sensor"));
        assert!(Description::find("../csi", Some(directory.path())).unwrap().is_none());
    }

    #[test]
    fn every_shipped_description_is_right() {
        for name in Description::names(None) {
            assert!(Description::find(&name, None).unwrap().is_some(), "{name}");
        }
    }
}
