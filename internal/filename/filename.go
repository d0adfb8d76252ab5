// Package filename checks which names can be file names on every platform.
package filename

import (
	"regexp"
	"strings"
	"unicode"
)

// Max is the length in bytes of the longest name, without suffixes.
const Max = 200

// devices matches the names of devices on Windows, with any suffix.
var devices = regexp.MustCompile(`(?i)^(con|prn|aux|nul|conin\$|conout\$|com[0-9]|lpt[0-9])(\.|$)`)

// IsDevice reports whether a name means a device on Windows.
func IsDevice(name string) bool { return devices.MatchString(name) }

// IsSafe reports whether a character has no special meaning in a name, for any file
// system or shell.
func IsSafe(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("._-+@", r)
}

// Clean returns a file name for a name that someone else chose: it stays in its
// directory, and is neither hidden, nor a flag, nor a device.
func Clean(name string) string {
	clean := strings.Map(func(r rune) rune {
		if IsSafe(r) {
			return r
		}
		return '_'
	}, name)
	if strings.HasPrefix(clean, ".") || strings.HasPrefix(clean, "-") {
		clean = "_" + clean[1:]
	}
	if IsDevice(clean) {
		clean = "_" + clean
	}
	if clean == "" {
		return "unnamed"
	}
	return strings.ToValidUTF8(clean[:min(len(clean), Max)], "")
}
