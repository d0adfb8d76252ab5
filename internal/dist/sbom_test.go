package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"github.com/CycloneDX/cyclonedx-go"
)

func testSBOM(t *testing.T, dir string) {
	var bom cyclonedx.BOM
	must(t, cyclonedx.NewBOMDecoder(bytes.NewReader(read(t, dir, "zcurve-1.2.3-linux-amd64.cdx.json")), cyclonedx.BOMFileFormatJSON).Decode(&bom))
	if bom.Metadata.Timestamp != "2025-11-24T16:00:00Z" || bom.Metadata.Component.Version != "1.2.3" {
		t.Errorf("metadata: %+v", bom.Metadata)
	}
	licenses := map[string]string{}
	versions := map[string]string{}
	for _, c := range *bom.Components {
		versions[c.BOMRef] = c.Version
		for _, l := range *c.Licenses {
			licenses[c.Name] = l.Expression
		}
		if c.Version == "" || licenses[c.Name] == "" {
			t.Errorf("%s has version %q and license %q", c.Name, c.Version, licenses[c.Name])
		}
	}
	for name, want := range map[string]string{
		"zauth": "MPL-2.0", "std": "BSD-3-Clause", "golang.org/x/crypto": "BSD-3-Clause",
		"github.com/spf13/cobra": "Apache-2.0", "go.etcd.io/bbolt": "MIT", "go.yaml.in/yaml/v3": "Apache-2.0 AND MIT",
		"kernel.org/pub/linux/libs/security/libcap/psx": "BSD-3-Clause OR GPL-2.0-only",
	} {
		if licenses[name] != want {
			t.Errorf("%s is under %q, not %q", name, licenses[name], want)
		}
	}
	if _, ok := licenses["github.com/google/go-cmp"]; ok {
		t.Error("lists a module that only tests use")
	}
	for _, d := range *bom.Dependencies {
		for _, ref := range *d.Dependencies {
			if versions[ref] == "" {
				t.Errorf("%s depends on %s, which is no component", d.Ref, ref)
			}
		}
	}
	data, _ := readDeb(t, read(t, dir, "zauth_1.2.3_amd64.deb"))
	hash := fmt.Sprintf("%x", sha256.Sum256(data["usr/bin/zauth"].content))
	if !strings.Contains(string(read(t, dir, "zcurve-1.2.3-linux-amd64.cdx.json")), hash) {
		t.Error("the package and the SBOM are of different programs")
	}
}

// TestStatedLicense: where a text offers a choice, the list does too.
func TestStatedLicense(t *testing.T) {
	t.Parallel()
	var l licenses
	choice := "/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */\n"
	for want, texts := range map[string][]string{
		"BSD-3-Clause OR GPL-2.0-only":           {choice},
		"(BSD-3-Clause OR GPL-2.0-only) AND MIT": {choice, "# SPDX-License-Identifier: MIT\n"},
	} {
		if got, err := l.classify(texts); got != want || err != nil {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
}

// TestUnknownLicense: what has no known license is not released.
func TestUnknownLicense(t *testing.T) {
	t.Parallel()
	var l licenses
	for _, texts := range [][]string{nil, {""}, {"All rights reserved.\n"}} {
		if expression, err := l.classify(texts); err == nil {
			t.Errorf("%q is under %q", texts, expression)
		}
	}
}
