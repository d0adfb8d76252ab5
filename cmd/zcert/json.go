package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"time"
	"unicode"
	"unicode/utf16"

	"github.com/spf13/cobra"

	"github.com/zcurve/zcurve/internal/cli"
)

// schema is the version of the JSON that all commands print. It rises when a name is
// removed or changes its meaning. The names are in docs/logging.md.
const schema = 1

// printJSON prints each value, a struct, as one line of JSON.
func printJSON[T any](cmd *cobra.Command, values ...T) error {
	var lines bytes.Buffer
	for _, v := range values {
		if err := appendJSON(&lines, v); err != nil {
			return err
		}
	}
	return cli.Print(cmd, func(out io.Writer) { out.Write(lines.Bytes()) })
}

// appendJSON appends a line that begins with the schema.
func appendJSON(lines *bytes.Buffer, v any) error {
	var line bytes.Buffer
	enc := json.NewEncoder(&line)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	begin, _ := json.Marshal(struct {
		Schema int `json:"schema"`
	}{schema})
	lines.Write(bytes.TrimSuffix(begin, []byte("}")))
	rest := line.Bytes()[1:]
	if rest[0] != '}' {
		lines.WriteByte(',')
	}
	writeEscaped(lines, string(rest))
	return nil
}

// writeEscaped writes JSON, and escapes characters on which a terminal could act. Package json
// escapes only those below U+0020.
func writeEscaped(to *bytes.Buffer, line string) {
	for _, r := range line {
		if r == '\n' || unicode.IsPrint(r) {
			to.WriteRune(r)
			continue
		}
		for _, unit := range utf16.AppendRune(nil, r) {
			fmt.Fprintf(to, `\u%04x`, unit)
		}
	}
}

// certificateJSON is a certificate.
type certificateJSON struct {
	Identity    string         `json:"identity,omitempty"` // its name
	Key         string         `json:"key,omitempty"`
	Fingerprint string         `json:"fingerprint,omitempty"`
	HasSecret   bool           `json:"has_secret"`
	Locked      string         `json:"locked,omitempty"`
	Serial      string         `json:"serial,omitempty"` // a string, since JavaScript rounds such numbers
	NotBefore   *time.Time     `json:"not_before,omitempty"`
	NotAfter    *time.Time     `json:"not_after,omitempty"`
	Authority   string         `json:"authority,omitempty"`  // whose signature is valid
	ServerKey   string         `json:"server_key,omitempty"` // of a bundle
	Endpoints   []string       `json:"endpoints,omitempty"`  // of a bundle
	Metadata    []propertyJSON `json:"metadata,omitempty"`
}

// propertyJSON is a property of metadata, where a list keeps the order.
type propertyJSON struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// writtenJSON is a certificate that was written to files.
type writtenJSON struct {
	*certificateJSON
	Files []string `json:"files"`
}

// authorityJSON is an authority.
type authorityJSON struct {
	Name        string         `json:"name,omitempty"`
	Authority   string         `json:"authority"` // its key
	Fingerprint string         `json:"fingerprint"`
	HasSecret   bool           `json:"has_secret"`
	Locked      string         `json:"locked,omitempty"`
	Metadata    []propertyJSON `json:"metadata,omitempty"`
	Files       []string       `json:"files,omitempty"`
}

// revocationsJSON is a revocation list.
type revocationsJSON struct {
	File        string           `json:"file"`
	Authority   string           `json:"authority"`
	Issued      time.Time        `json:"issued"`
	Expires     time.Time        `json:"expires"`
	Revocations []revocationJSON `json:"revocations,omitempty"`
}

// revocationJSON is a revoked key or serial number.
type revocationJSON struct {
	Key       string    `json:"key,omitempty"`
	Serial    string    `json:"serial,omitempty"`
	RevokedAt time.Time `json:"revoked_at"`
	Reason    string    `json:"reason,omitempty"`
}

// fingerprintJSON is the fingerprint of a certificate's or an authority's key.
type fingerprintJSON struct {
	Identity    string   `json:"identity,omitempty"`
	Key         string   `json:"key,omitempty"`
	Authority   string   `json:"authority,omitempty"`
	Fingerprint string   `json:"fingerprint"`
	Digits      []string `json:"digits"`
}

// blockJSON is a block of an armored text: a certificate, a login or an error.
type blockJSON struct {
	File      string `json:"file"`
	Line      int    `json:"line"`
	Err       string `json:"err,omitempty"`
	Mechanism string `json:"mechanism,omitempty"`
	Comment   string `json:"comment,omitempty"`
	SealedBy  string `json:"sealed_by,omitempty"`
	Login     string `json:"login,omitempty"`
	*certificateJSON
	Files []string `json:"files,omitempty"`
}

// verdictJSON is a certificate that was verified, or could not be read.
type verdictJSON struct {
	File    string `json:"file"`
	Trusted bool   `json:"trusted"`
	Err     string `json:"err,omitempty"`
	*certificateJSON
	Checked    []string `json:"checked,omitempty"`
	NotChecked []string `json:"not_checked,omitempty"`
}

// identityJSON is an identity or a revoked key of a keystore.
type identityJSON struct {
	Identity    string     `json:"identity,omitempty"`
	User        string     `json:"user,omitempty"`
	Key         string     `json:"key"`
	Fingerprint string     `json:"fingerprint"`
	State       string     `json:"state"`
	Groups      []string   `json:"groups,omitempty"`
	NotBefore   *time.Time `json:"not_before,omitempty"`
	NotAfter    *time.Time `json:"not_after,omitempty"`
	Authority   string     `json:"authority,omitempty"`
	RevokedAt   *time.Time `json:"revoked_at,omitempty"`
	Reason      string     `json:"reason,omitempty"`
	File        string     `json:"file,omitempty"`
}
