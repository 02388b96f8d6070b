"""Documents that make those who draw them fetch from other hosts, each in its own way."""

from collections.abc import Mapping

CANARY = "http://canary.origin.example"
SVG = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="64" height="64">%s</svg>'

SVGS: Mapping[str, str] = {
    "image": SVG % f'<image href="{CANARY}/image" width="64" height="64"/>',
    "xlink": SVG % f'<image xlink:href="{CANARY}/xlink" width="64" height="64"/>',
    "file": SVG % '<image href="file:///etc/hostname" width="64" height="64"/>',
    "use": SVG % f'<use href="{CANARY}/use.svg#a"/>',
    "xinclude": SVG % f'<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="{CANARY}/xinclude" parse="text"/>',
    "import": SVG % f'<style>@import url("{CANARY}/import.css");</style><rect width="9" height="9"/>',
    "font": SVG % f'<style>@font-face {{font-family: x; src: url({CANARY}/font)}}</style><text y="20" font-family="x">a</text>',
    "filter": SVG % f'<filter id="f"><feImage href="{CANARY}/filter"/></filter><rect width="9" height="9" filter="url(#f)"/>',
    "html": SVG % f'<foreignObject><iframe xmlns="http://www.w3.org/1999/xhtml" src="{CANARY}/html"/></foreignObject>',
    "script": SVG % f'<script href="{CANARY}/script"/><rect width="9" height="9"/>',
    "stylesheet": f'<?xml-stylesheet href="{CANARY}/sheet.css"?>' + SVG % '<rect width="9" height="9"/>',
    "dtd": f'<!DOCTYPE svg SYSTEM "{CANARY}/dtd">' + SVG % '<rect width="9" height="9"/>',
    "entity": f'<!DOCTYPE svg [<!ENTITY e SYSTEM "{CANARY}/entity">]>' + SVG % '<text y="20">&e;</text>',
    "parameter": f'<!DOCTYPE svg [<!ENTITY % p SYSTEM "{CANARY}/parameter"> %p;]>' + SVG % '<rect width="9" height="9"/>',
}
OTHERS: Mapping[str, str] = {
    "page": f'<!doctype html><img src="{CANARY}/page"><link rel="stylesheet" href="{CANARY}/css">',
    "xml": f'<?xml version="1.0"?><!DOCTYPE a SYSTEM "{CANARY}/dtd"><a/>',
    "pdf": f"%PDF-1.7\n1 0 obj<</Type/Catalog/OpenAction<</S/URI/URI({CANARY}/pdf)>>>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n",
    "mvg": f"push graphic-context\nviewbox 0 0 9 9\nimage over 0,0 9,9 '{CANARY}/mvg'\npop graphic-context\n",
    "playlist": f"#EXTM3U\n#EXTINF:1,\n{CANARY}/playlist\n",
}
