"""The HTML of the pages behind survey links: no scripts, every control with its label."""

from __future__ import annotations

STYLE = """body{font:1rem/1.5 sans-serif;max-width:40rem;margin:2rem auto;padding:0 1rem;color:#111}
.item{margin:1.25rem 0}fieldset{border:0;padding:0;margin:0}label,legend{font-weight:bold;padding:0}
label{display:block}label.option{font-weight:normal}input,textarea,select,button{font:inherit}
input.line,textarea,select{box-sizing:border-box;width:100%;padding:.3rem}
.note{display:block;color:#444;font-size:.9rem}.wrong{color:#a00;margin:0}
button{margin-top:1rem;padding:.5rem 1.5rem}"""

PAGE = (
    """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title><style>"""
    + STYLE
    + """</style></head>
<body><main><h1>{{ title }}</h1>
{% for text in texts %}<p>{{ text }}</p>
{% endfor %}
{%- if links is not none %}<ul>
{% for one in links %}<li>
{%- if one.done %}{{ one.title }}: completed
{%- else %}<a href="{{ one.link }}">{{ one.title }}</a>{% endif %}</li>
{% else %}<li>There are no surveys.</li>
{% endfor %}</ul>
{% endif %}
{%- if items is not none %}
{%- if problems %}<p class="wrong" role="alert">Nothing was stored yet: please look at the
answers marked below ({{ problems }}).</p>
{% endif %}<form method="post">
{% if on_page is not none %}<input type="hidden" name="{{ on_page_name }}" value="{{ on_page }}">
{% endif %}
{%- for item in items %}
{%- if item.header %}<h2>{{ item.header }}</h2>
{% endif %}<div class="item">
{%- if item.control == "words" %}<p>{{ item.label }}</p>
{%- elif item.control == "shown" %}<p><strong>{{ item.label }}</strong>: {{ item.value }}</p>
{%- elif item.control in ("radio", "checkbox") %}<fieldset{{ about(item) }}>
<legend>{{ item.label }}</legend>
{{ remarks(item) }}
{%- for option in item.options %}<label class="option"><input type="{{ item.control }}" name="{{ option.name }}" value="{{ option.value }}"{% if option.on %} checked{% endif %}> {{ option.label }}</label>
{% endfor %}</fieldset>
{%- else %}<label for="{{ item.name }}">{{ item.label }}</label>
{{ remarks(item) }}
{%- if item.control == "select" %}<select id="{{ item.name }}" name="{{ item.name }}"{{ about(item) }}>
<option value=""></option>
{% for option in item.options %}<option value="{{ option.value }}"{% if option.on %} selected{% endif %}>{{ option.label }}</option>
{% endfor %}</select>
{%- elif item.control == "textarea" %}<textarea id="{{ item.name }}" name="{{ item.name }}" rows="4"{{ about(item) }}>
{{ item.value }}</textarea>
{%- else %}<input class="line" type="{{ item.control }}" id="{{ item.name }}" name="{{ item.name }}" value="{{ item.value }}"{{ about(item) }}>
{%- endif %}
{%- endif %}</div>
{% endfor %}<button type="submit">Submit</button></form>
{% endif %}</main></body></html>
"""
)

MACROS = """{% macro remarks(item) %}
{%- if item.note %}<span class="note" id="{{ item.name }}-note">{{ item.note }}</span>
{% endif %}
{%- if item.wrong %}<p class="wrong" id="{{ item.name }}-wrong">{{ item.wrong }}</p>
{% endif %}
{%- endmacro %}
{% macro about(item) %}
{%- if item.note or item.wrong %} aria-describedby="
{%- if item.note %}{{ item.name }}-note {% endif %}
{%- if item.wrong %}{{ item.name }}-wrong{% endif %}"{% endif %}
{%- if item.wrong %} aria-invalid="true"{% endif %}
{%- endmacro %}
"""
TEMPLATE = MACROS + PAGE
"""Takes title, texts (paragraphs), links or None, items or None, problems (a number), on_page."""
