package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/goreleaser/nfpm/v2"
	"github.com/goreleaser/nfpm/v2/deb"
	"github.com/goreleaser/nfpm/v2/files"
)

// maintainer is who answers for the packages.
const maintainer = "zcurve developers <zcurve@users.noreply.github.com>"

// debPackage says what a Debian package has besides the program, its manual pages and
// its completion. Each package has the name of its command.
type debPackage struct {
	section     string
	description string // a short line, then paragraphs
	depends     []string
	suggests    []string
	files       []packaged
	scripts     nfpm.Scripts
}

// packaged is a file of the repository, or with mode fs.ModeDir an empty directory.
type packaged struct {
	source, destination string
	mode                fs.FileMode
}

var debPackages = map[string]debPackage{
	"zcert": {
		section: "utils",
		description: `certificates for ZeroMQ's CURVE, and probing of endpoints
zcert generates, locks, signs, revokes and shows certificates for CURVE, the
security of ZeroMQ. It also finds out, step by step, why a client does not
connect.`,
	},
	"zauth": {
		section: "net",
		description: `authentication daemon for ZeroMQ services
zauth answers requests of ZAP (RFC 27): one process decides, for any number
of services in any language, which clients may connect. It decides by
certificates in a directory or by a policy file, and logs its decisions.
.
As installed, zauth runs as the user zauth, listens on a socket of this
machine alone, and admits nobody.`,
		depends:  []string{"passwd"}, // useradd
		suggests: []string{"zcert"},
		files: []packaged{
			{"contrib/deb/zauth.conf", "/etc/zauth/zauth.conf", 0o644},
			{"contrib/deb/policy.zpl", "/etc/zauth/policy.zpl", 0o644},
			{"", "/etc/zauth/clients", fs.ModeDir | 0o755},
			{"contrib/systemd/zauth.service", "/usr/lib/systemd/system/zauth.service", 0o644},
			{"contrib/systemd/zauth.socket", "/usr/lib/systemd/system/zauth.socket", 0o644},
		},
		scripts: nfpm.Scripts{
			PostInstall: "contrib/deb/zauth.postinst",
			PreRemove:   "contrib/deb/zauth.prerm",
			PostRemove:  "contrib/deb/zauth.postrm",
		},
	},
}

// deb makes the Debian package of a tool, for Linux on goarch. It needs nothing that
// Debian has to have installed but what debPackages says, because Go links statically.
func (r *release) deb(ctx context.Context, t tool, p *program, goarch string) (name string, content []byte, err error) {
	spec := debPackages[t.name]
	info := &nfpm.Info{
		Name: t.name, Arch: goarch, Platform: "linux", Version: debVersion(r.version), VersionSchema: "none",
		Section: spec.section, Priority: "optional", Maintainer: maintainer, Description: spec.description,
		Homepage: "https://" + modulePath, MTime: r.when,
		Overridables: nfpm.Overridables{
			Depends: spec.depends, Suggests: spec.suggests, Scripts: spec.scripts,
			Deb: nfpm.Deb{Compression: "gzip"}, // xz in Go takes ten times as long
		},
		DisableGlobbing: true,
	}
	add := func(source, destination, kind string, mode fs.FileMode) {
		info.Contents = append(info.Contents, &files.Content{
			Source: source, Destination: destination, Type: kind,
			FileInfo: &files.ContentFileInfo{Owner: "root", Group: "root", Mode: mode, MTime: r.when},
		})
	}
	for _, f := range spec.files {
		kind := files.TypeFile
		switch {
		case f.mode.IsDir():
			kind = files.TypeDir
		case strings.HasPrefix(f.destination, "/etc/"):
			kind = files.TypeConfigNoReplace // a conffile
		}
		add(f.source, f.destination, kind, f.mode.Perm())
	}
	generated, err := r.debFiles(ctx, t, p, info.Version)
	if err != nil {
		return "", nil, err
	}
	for destination, content := range generated {
		source := filepath.Join(r.dir, "deb", t.name+"-"+goarch, destination)
		if err := errors.Join(os.MkdirAll(filepath.Dir(source), 0o755), os.WriteFile(source, content, 0o644)); err != nil {
			return "", nil, err
		}
		mode := fs.FileMode(0o644)
		if strings.HasPrefix(destination, "/usr/bin/") {
			mode = 0o755
		}
		add(source, destination, files.TypeFile, mode)
	}
	info = nfpm.WithDefaults(info)
	if err := nfpm.PrepareForPackager(info, "deb"); err != nil {
		return "", nil, err
	}
	var b bytes.Buffer
	err = deb.Default.Package(info, &b)
	return deb.Default.ConventionalFileName(info), b.Bytes(), err
}

// debFiles are the files of a package that are not in the repository, by their places.
func (r *release) debFiles(ctx context.Context, t tool, p *program, version string) (map[string][]byte, error) {
	modules, err := r.licenses.modules(ctx, map[string]*program{t.name: p})
	if err != nil {
		return nil, err
	}
	var copyright bytes.Buffer
	fmt.Fprintf(&copyright, "%s is part of zcurve, https://%s, which has its source.\n"+
		"It is under the Mozilla Public License 2.0: see /usr/share/common-licenses/MPL-2.0.\n\n", t.name, modulePath)
	writeLicenses(&copyright, modules)
	overrides, err := os.ReadFile("contrib/deb/lintian-overrides")
	if err != nil {
		return nil, err
	}
	changelog := fmt.Sprintf("%s (%s) stable; urgency=medium\n\n  * See https://%s/blob/main/CHANGELOG.md\n\n -- %s  %s\n",
		t.name, version, modulePath, maintainer, r.when.Format(time.RFC1123Z))
	list := map[string][]byte{
		"/usr/bin/" + t.name:                                       p.content,
		"/usr/share/doc/" + t.name + "/copyright":                  copyright.Bytes(),
		"/usr/share/doc/" + t.name + "/changelog.gz":               gzipped([]byte(changelog)),
		"/usr/share/lintian/overrides/" + t.name:                   overrides,
		"/usr/share/bash-completion/completions/" + t.name:         t.completion["bash"],
		"/usr/share/zsh/vendor-completions/_" + t.name:             t.completion["zsh"],
		"/usr/share/fish/vendor_completions.d/" + t.name + ".fish": t.completion["fish"],
	}
	for name, page := range t.pages {
		list["/usr/share/man/man"+strings.TrimPrefix(path.Ext(name), ".")+"/"+name+".gz"] = gzipped(page)
	}
	return list, nil
}

// gzipped compresses a file as Debian wants it: as well as possible, without its name
// and time.
func gzipped(content []byte) []byte {
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // the level is valid
	w.Write(content)                                      // to memory, without errors
	w.Close()
	return b.Bytes()
}

var (
	described  = regexp.MustCompile(`^(.*)-(\d+)-g([0-9a-f]+)$`) // by git describe
	prerelease = regexp.MustCompile(`^(\d+\.\d+\.\d+)-(.+)$`)
	unknown    = regexp.MustCompile(`[^A-Za-z0-9.+~]+`)
)

// debVersion returns the version of a Debian package. It has no revision, so that
// packages of Debian itself, of the same version, are newer. 1.2.3-rc.1 becomes
// 1.2.3~rc.1, which is before 1.2.3; 1.2.3-4-gabc1234, the fourth commit after 1.2.3,
// becomes 1.2.3+4.gabc1234, which is after it. What is no version is before all versions.
func debVersion(version string) string {
	version, modified := strings.CutSuffix(version, "-dirty")
	suffix := ""
	if m := described.FindStringSubmatch(version); m != nil {
		version, suffix = m[1], "+"+m[2]+".g"+m[3]
	}
	if modified {
		suffix += "+dirty"
	}
	version = prerelease.ReplaceAllString(version, "$1~$2")
	if version == "" || version[0] < '0' || version[0] > '9' || !strings.Contains(version, ".") {
		version = "0~" + version
	}
	return unknown.ReplaceAllString(version+suffix, ".")
}
