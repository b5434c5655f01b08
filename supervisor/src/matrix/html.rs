//! Pages of HTML: well-formed, self-contained, printable; whatever a machine file calls its parts is text and nothing else.

use std::fmt::Write as _;

use super::{Matrix, text};

/// Text on a page: made with [`Html::text`] only, so that no name is ever markup.
#[derive(Clone, Debug, Default)]
pub struct Html(String);

impl Html {
    /// Markup of our own.
    pub fn markup(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Any text: escaped; what no XML may hold is shown as `U+FFFD`.
    pub fn text(&mut self, text: &str) -> &mut Self {
        for letter in text.chars() {
            match letter {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                '\n' | '\t' => self.0.push(letter),
                '\0'..' ' | '\u{7f}'..'\u{a0}' | '\u{fffe}' | '\u{ffff}' => self.0.push('\u{fffd}'),
                _ => self.0.push(letter),
            }
        }
        self
    }

    /// An element with text in it.
    pub fn element(&mut self, open: &'static str, text: &str, close: &'static str) -> &mut Self {
        self.markup(open).text(text).markup(close)
    }

    /// A row of a table.
    pub fn row(&mut self, cells: &[String]) -> &mut Self {
        self.markup("<tr>");
        for cell in cells {
            self.element("<td>", cell, "</td>");
        }
        self.markup("</tr>\n")
    }

    /// The head of a table.
    pub fn head(&mut self, cells: &[&str]) -> &mut Self {
        self.markup("<tr>");
        for cell in cells {
            self.element("<th>", cell, "</th>");
        }
        self.markup("</tr>\n")
    }

    /// A whole page with this title.
    #[must_use]
    pub fn page(self, title: &str) -> String {
        let mut page = Self::default();
        page.markup("<!DOCTYPE html>\n<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\">\n<head>\n<meta charset=\"utf-8\"/>\n");
        // No script, nothing from a network, whatever comes to stand on the page.
        page.markup("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"/>\n");
        page.element("<title>", title, "</title>\n")
            .markup("<style>")
            .markup(style())
            .markup("</style>\n</head>\n<body>\n");
        page.element("<h1>", title, "</h1>\n");
        let mut text = page.0;
        let _ = write!(text, "{}</body>\n</html>\n", self.0);
        text
    }
}

/// The style of our pages.
fn style() -> &'static str {
    "body{font:10pt/1.4 sans-serif;margin:2em;color:#111;background:#fff}h1{font-size:16pt}h2{font-size:13pt;margin-top:1.6em;\
     break-after:avoid}table{border-collapse:collapse;margin:.6em 0}th,td{border:1px solid #999;padding:.2em .5em;text-align:left;\
     vertical-align:top}th{background:#eee}tr{break-inside:avoid}td.stop{background:#fbd0d0}td.limit{background:#fdf0c8}\
     code{font-family:monospace;overflow-wrap:anywhere}.good{color:#060}.bad{color:#a00;font-weight:bold}@media print{body{margin:0}}\
     @page{size:A4 landscape;margin:12mm}"
}

/// The matrix as tables.
pub fn table(matrix: &Matrix, html: &mut Html) {
    html.markup("<table>\n");
    let groups =
        matrix.groups.iter().map(|group| format!("{} ({})", group.name, group.axes.join(", ")));
    let columns: Vec<String> =
        groups.chain(matrix.outputs.iter().map(|output| output.name.clone())).collect();
    let mut head = vec!["#", "Cause"];
    head.extend(columns.iter().map(String::as_str));
    head.extend(["Latch", "Demands when", "Clear when", "Goes on after"]);
    html.head(&head);
    for row in &matrix.rows {
        html.markup("<tr>").element("<td>", &row.number.to_string(), "</td>");
        html.element("<th>", &row.name, "</th>");
        for (at, cell) in text::cells(matrix, row).iter().enumerate() {
            let open = match row.effects.get(at) {
                Some(effect) if effect.stops() => "<td class=\"stop\">",
                Some(super::Effect::LimitSpeed(_)) => "<td class=\"limit\">",
                _ => "<td>",
            };
            html.element(open, cell, "</td>");
        }
        let latch = if row.latch { "yes" } else { "no" };
        for cell in [latch, &row.cause, &row.clear, row.restart] {
            html.element("<td>", cell, "</td>");
        }
        html.markup("</tr>\n");
    }
    html.markup("</table>\n<ul>\n");
    for rule in &matrix.rules {
        html.element("<li>", rule, "</li>\n");
    }
    html.markup("</ul>\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_text_whatever_it_holds() {
        let mut html = Html::default();
        html.element("<p>", "<script>alert('&\"')</script>\u{0}\u{1b}", "</p>");
        let page = html.page("</title><script>");
        assert_eq!(page.matches("<script").count(), 0, "{page}");
        assert!(
            page.contains("&lt;script&gt;alert(&#39;&amp;&quot;&#39;)&lt;/script&gt;"),
            "{page}"
        );
        assert!(!page.contains('\u{0}') && !page.contains('\u{1b}'));
    }
}
