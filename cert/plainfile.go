package cert

import "fmt"

// LoadPlain reads credentials of PLAIN from a file, as Load does a certificate.
func LoadPlain(path string) (*Plain, error) {
	p, mode, err := load(path, MaxFile, ParsePlain)
	if err == nil {
		p.Warnings = append(p.Warnings, modeWarnings(path, mode)...)
	}
	return p, err
}

// Append appends the text of the credentials to dst. The error is ErrProperty or
// ErrMetadata for what can't be written; dst then comes back unchanged.
func (p *Plain) Append(dst []byte) ([]byte, error) {
	text, err := p.text()
	if err != nil {
		return dst, fmt.Errorf("cert: %w", err)
	}
	defer clear(text)
	return append(dst, text...), nil
}

// Save writes the credentials to path, readable by their owner alone, and else as
// Certificate.SaveSecret does.
func (p *Plain) Save(path string, options ...SaveOption) error {
	return saveOne(path, secretMode, options, p.Append)
}
