//! Boxes of a given width, drawn with the characters that terminals have for it.
//!
//! Texts are measured in characters: nothing that is drawn here is wider than one column.

/// The characters of a border.
pub struct Border {
    corners: [char; 4],
    across: char,
    down: char,
}

/// The border of the line.
pub const DOUBLE: Border = Border {
    corners: ['╔', '╗', '╚', '╝'],
    across: '═',
    down: '║',
};

/// The border of a part.
pub const SINGLE: Border = Border {
    corners: ['┌', '┐', '└', '┘'],
    across: '─',
    down: '│',
};

/// How much narrower the inside of a box is: a border and a blank on either side.
pub const FRAME: usize = 4;

/// A box around `body`, with a title at its left and a size at its right. Lines of `body` are at most `width - FRAME`.
pub fn boxed(
    border: &Border,
    title: &str,
    size: &str,
    body: &[String],
    width: usize,
) -> Vec<String> {
    let [top_left, top_right, bottom_left, bottom_right] = border.corners;
    let across = |columns: usize| border.across.to_string().repeat(columns);
    let titled = title_line(border.across, title, size, width - 2);
    let mut lines = vec![format!("{top_left}{titled}{top_right}")];
    for line in body {
        lines.push(format!(
            "{down} {} {down}",
            pad(line, width - FRAME),
            down = border.down
        ));
    }
    lines.push(format!("{bottom_left}{}{bottom_right}", across(width - 2)));
    lines
}

/// One half of a divided box: its title, its size, and what it holds.
pub struct Half<'a> {
    pub title: &'a str,
    pub size: &'a str,
    pub body: &'a [String],
}

/// A box that is divided in two by a border that gives way.
pub fn divided(left: &Half<'_>, right: &Half<'_>, width: usize) -> Vec<String> {
    let [left_width, right_width] = halves(width);
    let top = |half: &Half<'_>, columns| title_line('─', half.title, half.size, columns + 2);
    let mut lines = vec![format!(
        "┌{}┬{}┐",
        top(left, left_width),
        top(right, right_width)
    )];
    for row in 0..left.body.len().max(right.body.len()) {
        let cell =
            |half: &Half<'_>, columns| pad(half.body.get(row).map_or("", String::as_str), columns);
        lines.push(format!(
            "│ {} ┊ {} │",
            cell(left, left_width),
            cell(right, right_width)
        ));
    }
    lines.push(format!(
        "└{}┴{}┘",
        "─".repeat(left_width + 2),
        "─".repeat(right_width + 2)
    ));
    lines
}

/// How wide texts may be in the two halves of a divided box.
pub fn halves(width: usize) -> [usize; 2] {
    let texts = width - 2 * FRAME + 1;
    [texts / 2, texts - texts / 2]
}

/// `text` in lines of at most `width` columns, broken at blanks. A word that is longer is broken itself.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let mut word: Vec<char> = word.chars().collect();
        loop {
            let used = lines.last().map_or(0, |line| line.chars().count());
            let gap = usize::from(used > 0);
            if used + gap + word.len() <= width {
                if let Some(line) = lines.last_mut() {
                    line.extend((gap > 0).then_some(' '));
                    line.extend(word);
                }
                break;
            }
            if used == 0 {
                let rest = word.split_off(width);
                if let Some(line) = lines.last_mut() {
                    line.extend(word);
                }
                word = rest;
            }
            lines.push(String::new());
        }
    }
    lines
}

/// `─ title ───── size ─`, cut to `width` when the title is too long for it.
fn title_line(across: char, title: &str, size: &str, width: usize) -> String {
    let used = title.chars().count() + size.chars().count() + 6;
    let fill = across.to_string().repeat(width.saturating_sub(used));
    let line = format!("{across} {title} {fill} {size} {across}");
    line.chars().take(width).collect()
}

fn pad(text: &str, width: usize) -> String {
    let missing = width.saturating_sub(text.chars().count());
    format!("{text}{}", " ".repeat(missing))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_a_box_is_as_wide_as_the_box() {
        let body = wrap(
            "some words and averyveryverylongwordthatfitsnowhere at all",
            26,
        );
        for line in boxed(&SINGLE, "title", "1 GiB", &body, 30) {
            assert_eq!(line.chars().count(), 30, "{line}");
        }
        let half = Half {
            title: "a",
            size: "1 B",
            body: &wrap("a b c", 3),
        };
        for width in [30, 31] {
            for line in divided(&half, &half, width) {
                assert_eq!(line.chars().count(), width, "{line}");
            }
        }
    }

    #[test]
    fn words_are_kept_whole_where_they_fit() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
    }
}
