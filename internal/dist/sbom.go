package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"path/filepath"
	"time"

	"github.com/CycloneDX/cyclonedx-go"
)

// sbom lists what the programs for a platform consist of, in CycloneDX's JSON. It has no
// serial number, because the same source would get a new one each time.
func (r *release) sbom(platform string, built map[string]*program, modules []*module) ([]byte, error) {
	bom := cyclonedx.NewBOM()
	bom.Metadata = &cyclonedx.Metadata{
		Timestamp: r.when.Format(time.RFC3339),
		Component: &cyclonedx.Component{
			BOMRef: modulePath, Type: cyclonedx.ComponentTypeApplication, Name: "zcurve", Version: r.version,
			Description: "zcert and zauth for " + platform, PackageURL: purl(modulePath, "v"+r.version),
			Licenses: expression("MPL-2.0"),
		},
	}
	var components []cyclonedx.Component
	dependencies := []cyclonedx.Dependency{{Ref: modulePath, Dependencies: &[]string{}}}
	for _, t := range r.tools {
		p := built[t.name]
		components = append(components, cyclonedx.Component{
			BOMRef: t.name, Type: cyclonedx.ComponentTypeApplication, Name: filepath.Base(p.path), Version: r.version,
			Hashes:   &[]cyclonedx.Hash{{Algorithm: cyclonedx.HashAlgoSHA256, Value: fmt.Sprintf("%x", sha256.Sum256(p.content))}},
			Licenses: expression("MPL-2.0"),
		})
		var refs []string
		for _, m := range partsOf(p) {
			refs = append(refs, purl(m.path, m.version))
		}
		*dependencies[0].Dependencies = append(*dependencies[0].Dependencies, t.name)
		dependencies = append(dependencies, cyclonedx.Dependency{Ref: t.name, Dependencies: &refs})
	}
	for _, m := range modules {
		components = append(components, cyclonedx.Component{
			BOMRef: purl(m.path, m.version), Type: cyclonedx.ComponentTypeLibrary, Name: m.path, Version: m.version,
			PackageURL: purl(m.path, m.version), Licenses: expression(m.license),
		})
	}
	bom.Components, bom.Dependencies = &components, &dependencies
	var b bytes.Buffer
	err := cyclonedx.NewBOMEncoder(&b, cyclonedx.BOMFileFormatJSON).SetPretty(true).Encode(bom)
	return b.Bytes(), err
}

// purl is the package URL of a Go module.
func purl(path, version string) string { return "pkg:golang/" + path + "@" + version }

func expression(license string) *cyclonedx.Licenses {
	return &cyclonedx.Licenses{{Expression: license}}
}
