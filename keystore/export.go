package keystore

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
)

// exportVersion is the version of the format of exports.
const exportVersion = 1

// maxExportLine is the length in bytes of the longest line of an export.
const maxExportLine = 8 * maxCertificate

var errExport = errors.New("invalid export of a keystore")

// exportHead is the first line of an export.
type exportHead struct {
	Version int `json:"zcurve_keystore"`
}

// exportStart is how an export begins.
var exportStart = []byte(`{"zcurve_keystore":`)

// exportLine is one of the other lines: an identity, or a revoked key.
type exportLine struct {
	Key         curve.PublicKey `json:"key"`
	Name        string          `json:"name,omitempty"`
	Groups      []string        `json:"groups,omitempty"`
	Certificate string          `json:"certificate,omitempty"` // the certificate's text
	Revoked     *RevokedKey     `json:"revoked,omitempty"`
}

// Export writes identities and revocations as lines of JSON, which Import reads. It
// returns an error if writing to w fails, or if an identity's name or groups can't be
// imported again.
func Export(w io.Writer, ids []*Identity, revoked map[curve.PublicKey]*RevokedKey) error {
	out := bufio.NewWriter(w)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	enc.Encode(exportHead{exportVersion}) // out keeps the first error
	for key, r := range revoked {
		enc.Encode(exportLine{Key: key, Revoked: r})
	}
	for _, id := range ids {
		if err := errors.Join(checkName(id.Name), checkGroups(id.Groups)); err != nil {
			return named(fmt.Errorf("exporting %s failed: rename it first: %w", id.Place, err))
		}
		text, err := id.Certificate.AppendPublic(nil)
		if err != nil {
			return named(fmt.Errorf("exporting %s failed: %w", id.Name, err))
		}
		enc.Encode(exportLine{Key: id.Key(), Name: id.Name, Groups: id.Groups, Certificate: string(text)})
	}
	return out.Flush()
}

// Import reads the output of Export: identities to Put and revocations to Restore. If
// anything in text is invalid, the error has the line.
func Import(text []byte) (ids []*Identity, revoked map[curve.PublicKey]*RevokedKey, err error) {
	ids, revoked, err = readExport(text)
	return ids, revoked, named(err)
}

// readExport is Import with errors that lack the package's name.
func readExport(text []byte) (ids []*Identity, revoked map[curve.PublicKey]*RevokedKey, err error) {
	revoked = map[curve.PublicKey]*RevokedKey{}
	seen := map[curve.PublicKey]bool{}
	number := 0
	for line := range bytes.Lines(text) {
		number++
		switch {
		case len(line) > maxExportLine:
			err = fmt.Errorf("longer than %d bytes", maxExportLine)
		case number == 1:
			err = parseExportHead(line)
		default:
			var id *Identity
			var key curve.PublicKey
			var r *RevokedKey
			if id, key, r, err = parseExportLine(line); err != nil {
				break
			}
			switch {
			case r != nil && revoked[key] != nil, r == nil && seen[key]:
				err = errors.New("duplicate key")
			case r != nil:
				revoked[key] = r
			default:
				seen[key] = true
				ids = append(ids, id)
			}
		}
		if err != nil {
			return nil, nil, fmt.Errorf("%w: line %d: %w", errExport, number, err)
		}
	}
	if number == 0 {
		return nil, nil, fmt.Errorf("%w: it is empty", errExport)
	}
	return ids, revoked, nil
}

func parseExportHead(line []byte) error {
	var head exportHead
	if err := decodeStrictly(line, &head); err != nil {
		return err
	}
	if head.Version != exportVersion {
		return fmt.Errorf("unsupported version %d, expected %d", head.Version, exportVersion)
	}
	return nil
}

// parseExportLine returns an identity, or a revocation r of a key.
func parseExportLine(line []byte) (id *Identity, key curve.PublicKey, r *RevokedKey, err error) {
	var l exportLine
	if err := decodeStrictly(line, &l); err != nil {
		return nil, key, nil, err
	}
	switch {
	case l.Key == curve.PublicKey{}:
		return nil, key, nil, errors.New("it has no key")
	case l.Revoked != nil && (l.Name != "" || l.Certificate != ""):
		return nil, key, nil, errors.New("it is both a revocation and an identity")
	case l.Revoked != nil:
		return nil, l.Key, l.Revoked, l.Revoked.check()
	}
	c, err := cert.Parse([]byte(l.Certificate))
	if err == nil && c.Public != l.Key {
		err = errors.New("its certificate has a different key")
	}
	if err != nil {
		return nil, key, nil, err
	}
	id, err = prepare(&Identity{Name: l.Name, Certificate: c, Groups: l.Groups})
	return id, l.Key, nil, err
}
