package keystore

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
)

// exportVersion is that of the format in which a store is exported.
const exportVersion = 1

// maxExportLine is the length in octets of the longest line of an export.
const maxExportLine = 8 * maxCertificate

// ErrExport means that a text isn't what Export writes.
var ErrExport = errors.New("not an exported keystore")

// exportHead is the first line of an export.
type exportHead struct {
	Version int `json:"zcurve_keystore"`
}

// exported is one of the other lines: an identity, or a revoked key.
type exported struct {
	Key         curve.PublicKey `json:"key"`
	Name        string          `json:"name,omitempty"`
	Groups      []string        `json:"groups,omitempty"`
	Certificate string          `json:"certificate,omitempty"` // its text
	Revoked     *Revocation     `json:"revoked,omitempty"`
}

// Contents is all that a store holds.
type Contents struct {
	Entries     []Entry
	Revocations map[curve.PublicKey]*Revocation // also those that were lifted
}

// Export writes lines of JSON with these identities, and all revocations of a store,
// as Import reads them. The error is that of writing, or ErrName or ErrGroup for what
// couldn't be imported again.
func Export(w io.Writer, identities []*Identity, revocations map[curve.PublicKey]*Revocation) error {
	out := bufio.NewWriter(w)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	enc.Encode(exportHead{exportVersion}) // out keeps the first error
	for key, r := range revocations {
		enc.Encode(exported{Key: key, Revoked: r})
	}
	for _, id := range identities {
		if err := errors.Join(checkName(id.Name), checkGroups(id.Groups)); err != nil { // Import would refuse it
			return fmt.Errorf("keystore: exporting %s failed: rename it first: %w", id.Source, err)
		}
		text, err := id.Certificate.AppendPublic(nil)
		if err != nil {
			return fmt.Errorf("keystore: exporting %s failed: %w", id.Name, err)
		}
		enc.Encode(exported{Key: id.Key(), Name: id.Name, Groups: id.Groups, Certificate: string(text)})
	}
	return out.Flush()
}

// Import reads what Export wrote. Everything in it must be whole. The error is
// ErrExport, with the line.
func Import(text []byte) (*Contents, error) {
	all := &Contents{Revocations: map[curve.PublicKey]*Revocation{}}
	seen := map[curve.PublicKey]bool{}
	number := 0
	for line := range bytes.Lines(text) {
		number++
		fail := func(err error) (*Contents, error) {
			return nil, fmt.Errorf("keystore: line %d: %w: %w", number, ErrExport, err)
		}
		if len(line) > maxExportLine {
			return fail(fmt.Errorf("longer than %d octets", maxExportLine))
		}
		if number == 1 {
			var head exportHead
			if err := decodeStrictly(line, &head); err != nil {
				return fail(err)
			}
			if head.Version != exportVersion {
				return fail(fmt.Errorf("version %d, expected %d", head.Version, exportVersion))
			}
			continue
		}
		var e exported
		if err := decodeStrictly(line, &e); err != nil {
			return fail(err)
		}
		if e.Key == (curve.PublicKey{}) {
			return fail(errors.New("no key"))
		}
		if e.Revoked != nil {
			if e.Name != "" || e.Certificate != "" || all.Revocations[e.Key] != nil {
				return fail(errors.New("a revocation with what belongs to an identity, or twice"))
			}
			if err := e.Revoked.check(); err != nil {
				return fail(err)
			}
			all.Revocations[e.Key] = e.Revoked
			continue
		}
		c, err := cert.Parse([]byte(e.Certificate))
		switch {
		case err != nil:
			return fail(err)
		case c.Public != e.Key || seen[e.Key]:
			return fail(errors.New("the certificate has another key, or one that was there before"))
		}
		seen[e.Key] = true
		entry := Entry{Name: e.Name, Certificate: c, Groups: e.Groups}
		if _, err := prepare(entry); err != nil {
			return fail(err)
		}
		all.Entries = append(all.Entries, entry)
	}
	if number == 0 {
		return nil, fmt.Errorf("keystore: %w: it is empty", ErrExport)
	}
	return all, nil
}

// IsExport reports whether a text begins as one that Export wrote.
func IsExport(text []byte) bool { return bytes.HasPrefix(text, []byte(`{"zcurve_keystore":`)) }

// check refuses what can't be written again.
func (r *Revocation) check() error {
	for _, reason := range []string{r.Reason, r.LiftedReason} {
		if err := checkReason(reason); err != nil {
			return err
		}
	}
	for _, t := range []time.Time{r.Time, r.Lifted} {
		if !t.IsZero() && (t.Nanosecond() != 0 || t.Year() < 1 || t.Year() > 9999) {
			return errors.New("a time that isn't in whole seconds")
		}
	}
	return nil
}
