package house

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
)

// words are what this repository does not write, and what it writes instead. One
// thing has one name, and the name is the one that a user would search for.
var words = []struct {
	not     string // a regular expression
	instead string
	only    string // files whose name ends with it; empty for all
	spec    bool   // allowed in docs/spec
}{
	{`//.*\boctets?\b|%d octets?\b`, "byte", ".go", false},
	{`\boctets?\b`, "byte", ".md", true},
	{`\boctets?\b`, "byte", ".txtar", false},
	{`\bin clear\b`, "unencrypted", "", false},
	{`\b(stands?|stood|standing) (in|at|beside|twice|there|on|behind|between|before|around|within)\b`, "is", "", false},
	{`\b(come|comes|coming|came) in\b`, "connect", "", false},
	{`\blets? ([a-z]+ )?(in|everybody|nobody|anybody)\b`, "admit", "", false},
	{`\b[Ww]hoever\b`, "name the actor", "", false},
	{`\b[Ww]ho has\b`, "name the actor", "", false},
	{`\b([Hh]e|[Hh]is|[Hh]im) [a-rt-z]`, "they", "", false},
	{`\bsuch that\b`, "so that", "", false},
	{`\blest\b`, "so that … does not", "", false},
	{`\banew\b`, "again", "", false},
	{`\bpass(ed|es|ing)? over\b`, "ignored, skipped", "", false},
	{`\b(is|are|was|were) told( of| once| in| at| as| by| about|[.,;:"\n])`, "reported, logged", "", false},
	{`\b(take|takes|taken|took|taking) back\b`, "revoke", "", false},
	{`\bunder way\b`, "in progress", "", false},
	{`\b(is|are|was) due\b`, "expected", "", false},
	{`isn't known|aren't known`, "unknown", "", false},
	{`\bin force\b`, "current, loaded", "", false},
	{`\b[Aa] nil \w+ is none|\b[Nn]il means nowhere`, "if nil, nothing is logged", "", false},
	{`\b[Ee]-mail`, "email", "", false},
	{`\bmakes? of (a|an|the)\b`, "turns into", "", false},
	{`\bis wanted\b|\bare wanted\b`, "is required, expected", "", false},
	{`\bmend(s|ed|ing)?\b`, "fix", "", false},
	{`[,;:] else\b`, "otherwise", "", false},
	{`// \w+ (is|are) what `, "say what it does", ".go", false},
	{`(fmt\.Errorf|errors\.New|Usagef)\("[^"]*\bwant (a|an|one|at|no|[%A-Z0-9])`, "expected", ".go", false},
}

// TestWordsUnraced finds words that are not ours in comments, texts and documents.
func TestWordsUnraced(t *testing.T) {
	ztest.Unraced(t)
	t.Parallel()
	var all []string
	for _, w := range words {
		all = append(all, w.not)
	}
	any := regexp.MustCompile(strings.Join(all, "|"))
	for _, file := range files(t, ".go", ".md", ".txtar") {
		if strings.HasPrefix(file, "internal/house/") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range any.FindAllIndex(text, -1) {
			found := text[at[0]:at[1]]
			for _, w := range words {
				if strings.HasSuffix(file, w.only) && !(w.spec && strings.HasPrefix(file, "docs/spec/")) && regexp.MustCompile(w.not).Match(found) {
					t.Errorf("%s:%d: %q: write %s", file, 1+bytes.Count(text[:at[0]], []byte("\n")), found, w.instead)
				}
			}
		}
	}
}
