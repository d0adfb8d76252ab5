package keystore

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/zpl"
)

// Names in the record of a revocation, which is a file in a dir: store.
const (
	revokedSection   = "revoked"
	keyName          = "key"
	timeName         = "time"
	reasonName       = "reason"
	nameName         = "name"
	groupName        = "group"
	liftedName       = "lifted"
	liftedReasonName = "lifted-reason"
)

// timeLayout is RFC 3339 in UTC and whole seconds.
const timeLayout = "2006-01-02T15:04:05Z"

var errRecord = errors.New("invalid revocation record")

// base64Line is the number of characters of the certificate in each comment.
const base64Line = 64

// appendRecord appends a record. The certificate is in comments, so that no other program
// treats it as a valid one.
func appendRecord(dst []byte, key curve.PublicKey, r *RevokedKey) ([]byte, error) {
	section := &zpl.Node{Name: revokedSection}
	add := func(name, value string) {
		if value != "" {
			section.Children = append(section.Children, &zpl.Node{Name: name, Value: value, HasValue: true})
		}
	}
	format := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.Format(timeLayout)
	}
	add(keyName, key.String())
	add(timeName, format(r.Time))
	add(reasonName, r.Reason)
	if zpl.CheckValue(r.Name) == nil {
		add(nameName, r.Name)
	}
	for _, g := range r.Groups {
		if zpl.CheckValue(g) == nil {
			add(groupName, g)
		}
	}
	add(liftedName, format(r.Lifted))
	add(liftedReasonName, r.LiftedReason)
	comments := []string{"ZeroMQ CURVE Revoked Key", "This key is refused, whatever this file contains. To lift: zcert store unrevoke"}
	if !r.InForce() {
		comments[1] = "The revocation was lifted. Keep this file: it records that."
	}
	text := base64.StdEncoding.EncodeToString([]byte(r.Certificate))
	for len(text) > 0 {
		n := min(len(text), base64Line)
		comments = append(comments, text[:n])
		text = text[n:]
	}
	return zpl.Append(dst, comments, []*zpl.Node{section})
}

// parseRecord parses a record of this key. On an error, the caller must treat the key as
// revoked.
func parseRecord(key curve.PublicKey, text []byte) (*RevokedKey, error) {
	root, _, err := zpl.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errRecord, err)
	}
	if len(root.Children) != 1 || root.Children[0].Name != revokedSection || root.Children[0].HasValue {
		return nil, fmt.Errorf("%w: expected one section %s", errRecord, revokedSection)
	}
	r := new(RevokedKey)
	seen := map[string]bool{}
	for _, n := range root.Children[0].Children {
		switch {
		case len(n.Children) > 0:
			return nil, fmt.Errorf("%w: line %d: unexpected section", errRecord, n.Line)
		case seen[n.Name] && n.Name != groupName:
			return nil, fmt.Errorf("%w: line %d: duplicate property %s", errRecord, n.Line, n.Name)
		}
		seen[n.Name] = true
		switch n.Name {
		case keyName:
			if n.Value != key.String() {
				err = errors.New("it is for another key")
			}
		case timeName:
			r.Time, err = time.Parse(timeLayout, n.Value)
		case reasonName:
			r.Reason = n.Value
		case nameName:
			r.Name = n.Value
		case groupName:
			r.Groups = append(r.Groups, n.Value)
		case liftedName:
			r.Lifted, err = time.Parse(timeLayout, n.Value)
		case liftedReasonName:
			r.LiftedReason = n.Value
		default:
			err = fmt.Errorf("unknown property %s", n.Name)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: line %d: %w", errRecord, n.Line, err)
		}
	}
	if !seen[keyName] || !seen[timeName] && !seen[liftedName] {
		return nil, fmt.Errorf("%w: expected a key, and a time or that it was lifted", errRecord)
	}
	r.Certificate = certificateIn(text)
	return r, nil
}

// certificateIn returns the certificate's text from the comments of a record, or "".
func certificateIn(text []byte) string {
	var encoded strings.Builder
	for line := range strings.Lines(string(text)) {
		comment, ok := strings.CutPrefix(strings.TrimSpace(line), "#")
		if comment = strings.TrimSpace(comment); ok && !strings.Contains(comment, " ") {
			encoded.WriteString(comment)
		}
	}
	out, err := base64.StdEncoding.DecodeString(encoded.String())
	if err != nil {
		return ""
	}
	return string(out)
}
