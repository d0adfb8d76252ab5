package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/zcurve/zcurve/cert"
)

// Variables named after libzmq's options.
const (
	publicVariable = "ZMQ_CURVE_PUBLICKEY"
	secretVariable = "ZMQ_CURVE_SECRETKEY"
)

// exports are the formats that convert writes. They include the secret key if the
// certificate has one.
var exports = func() map[string]func(*cert.Certificate) ([]byte, error) {
	m := map[string]func(*cert.Certificate) ([]byte, error){
		"czmq":       exportFile,
		"pyzmq":      exportFile,
		"json":       exportJSON,
		"env":        eachVariable("", "%s=%s\n", nil),
		"shell":      eachVariable("", "export %s='%s'\n", nil), // Z85 has no single quote
		systemdForm:  exportSystemd,
		"compose":    exportCompose,
		"kubernetes": exportKubernetes,
	}
	for _, form := range keyForms {
		m[form.name] = func(c *cert.Certificate) ([]byte, error) {
			return []byte(form.encode(keyBytes(c)) + "\n"), nil
		}
	}
	return m
}()

// exportNames returns the names of the formats, sorted.
func exportNames() []string { return slices.Sorted(maps.Keys(exports)) }

// keyBytes returns the secret key, or the public key of a public certificate.
func keyBytes(c *cert.Certificate) []byte {
	if c.Secret.IsZero() {
		return c.Public[:]
	}
	return c.Secret.AppendBytes(nil)
}

func exportFile(c *cert.Certificate) ([]byte, error) {
	if c.Secret.IsZero() {
		return c.AppendPublic(nil)
	}
	return c.AppendSecret(nil)
}

func exportJSON(c *cert.Certificate) ([]byte, error) {
	var out bytes.Buffer
	err := appendJSON(&out, keyJSON{newCertificateJSON(c), string(c.Secret.AppendZ85(nil))})
	return out.Bytes(), err
}

// variable is an environment variable.
type variable struct{ name, value string }

// variables returns the environment of a program that uses the keys.
func variables(c *cert.Certificate) []variable {
	v := []variable{{publicVariable, c.Public.String()}}
	if !c.Secret.IsZero() {
		v = append(v, variable{secretVariable, string(c.Secret.AppendZ85(nil))})
	}
	return v
}

// eachVariable returns a format that has a head and then a line for each variable, with
// its value quoted.
func eachVariable(head, line string, quote *strings.Replacer) func(*cert.Certificate) ([]byte, error) {
	return func(c *cert.Certificate) ([]byte, error) {
		out := []byte(head)
		for _, v := range variables(c) {
			if quote != nil {
				v.value = quote.Replace(v.value)
			}
			out = fmt.Appendf(out, line, v.name, v.value)
		}
		return out, nil
	}
}

// quoted is a text between single quotes in YAML. Without them, some parsers would read
// some keys as a time or a number.
type quoted string

// MarshalYAML returns a quoted scalar.
func (q quoted) MarshalYAML() (any, error) {
	return &yaml.Node{Kind: yaml.ScalarNode, Style: yaml.SingleQuotedStyle, Value: string(q)}, nil
}

// exportCompose writes a part of a compose file. Compose replaces $NAME with its own
// variables, even between quotes.
func exportCompose(c *cert.Certificate) ([]byte, error) {
	type service struct {
		Environment map[string]quoted `yaml:"environment"`
	}
	environment := map[string]quoted{}
	for _, v := range variables(c) {
		environment[v.name] = quoted(strings.ReplaceAll(v.value, "$", "$$"))
	}
	return yaml.Marshal(map[string]any{
		"services": map[quoted]service{quoted(labelOf(c.Name(), "service")): {environment}},
	})
}

// exportKubernetes writes a Secret.
func exportKubernetes(c *cert.Certificate) ([]byte, error) {
	type metadata struct {
		Name quoted `yaml:"name"`
	}
	secret := struct {
		APIVersion string            `yaml:"apiVersion"`
		Kind       string            `yaml:"kind"`
		Metadata   metadata          `yaml:"metadata"`
		Type       string            `yaml:"type"`
		Data       map[string]quoted `yaml:"data"`
	}{"v1", "Secret", metadata{quoted(labelOf(c.Name(), "zmq-curve"))}, "Opaque", map[string]quoted{}}
	for _, v := range variables(c) {
		secret.Data[v.name] = quoted(base64.StdEncoding.EncodeToString([]byte(v.value)))
	}
	return yaml.Marshal(secret)
}

// maxLabel is the length of the longest DNS label (RFC 1123).
const maxLabel = 63

// labelOf turns a name into a DNS label, which Kubernetes and Compose both accept, or
// returns fallback if no letter or digit remains.
func labelOf(name, fallback string) string {
	label := strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' || '0' <= r && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(name))
	label = strings.Trim(label[:min(len(label), maxLabel)], "-")
	if label == "" {
		return fallback
	}
	return label
}
